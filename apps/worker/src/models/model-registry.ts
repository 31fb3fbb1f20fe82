/**
 * The model registry is responsible for what this worker serves: it follows the model directory, proves what appears
 * there, loads it into the threads, and keeps what has been replaced or removed for the tasks that are pinned to it.
 */
import {
  type ModelAliases,
  type ModelDescriptor,
  modelKey,
  modelPin,
  type Refusal,
} from '@millrace/batch/model';
import type { Logger } from '@millrace/process/logger';
import type { ServedModels } from '@millrace/queue/catalog-publisher';
import type { InferencePool } from '../inference/pool.js';
import { ProofTimeout, Prover } from '../inference/prover.js';
import { readAliases } from './aliases.js';
import { type FoundVersion, type ModelDirectory, scanModelDirectory } from './model-directory.js';
import type { ProvedCopies } from './proved-copies.js';
import { stampOf } from './regular-file.js';
import { readVersionFiles } from './version-files.js';

export interface ModelRegistryOptions {
  directory: string;
  /** Versions of other pools are left to other workers. */
  poolName: string;
  pool: InferencePool;
  copies: ProvedCopies;
  /** How long the proof of one version may take. */
  proveMs: number;
  /** How long a session that nobody asks for is kept. */
  idleMs: number;
  log: Logger;
  /** Called when other models are served, refused, or named by aliases than before. */
  onChange?: () => void;
  now?: () => number;
}

/** What is known of a version that lies in the directory. */
interface Entry {
  /** Of the files when they were last looked into. */
  signature: string;
  /** Files beside the ONNX file that it keeps data in, there or not, each with what it was like before it was read. */
  external: Map<string, string>;
  /** Of the samples that the version was proved with. */
  samples?: string | undefined;
  /** It was not in the directory at the last look. */
  isMissing?: boolean;
  served?: ModelDescriptor;
  /** Why the files as they are now are not served; what was served before stays. */
  refusal?: Refusal;
}

/** Until a proof makes way for those of other versions. */
const FIRST_TRY_MS = 5_000;
/** Replaced or removed versions that are kept for the tasks pinned to them; of more, the oldest go. */
const RETIRED_MAX = 2;

export class ModelRegistry {
  private readonly entries = new Map<string, Entry>();
  private readonly retired = new Map<string, { since: number }>();
  private readonly aliases = new Map<string, ModelAliases>();
  /** Signatures that are not yet believed to be final: the files may still be being copied. */
  private unsettled = new Map<string, string>();
  /** What the last look at the directory itself had to complain about. */
  private misplaced: Refusal[] = [];
  private readonly prover = new Prover();
  /** Everything has been looked at once; what takes long may still be on its way. */
  private hasLooked = false;
  private isStopped = false;
  private readonly now: () => number;

  constructor(private readonly options: ModelRegistryOptions) {
    this.now = options.now ?? Date.now;
  }

  /** What the catalogue is told. */
  get models(): ServedModels {
    const refusals = [...this.entries.values()].map(({ refusal }) => refusal);
    return {
      served: this.served,
      isComplete: this.hasLooked,
      refused: [...this.misplaced, ...refusals.filter((refusal) => refusal !== undefined)],
      aliases: Object.fromEntries(this.aliases),
    };
  }

  /** The versions that chunks can be predicted with, replaced and removed ones among them. */
  get pins(): string[] {
    return [...this.served.map(modelPin), ...this.retired.keys()];
  }

  /**
   * Looks at everything as it lies there.
   * @throws Error when the directory cannot be read
   */
  async open(): Promise<void> {
    const found = await scanModelDirectory(this.options.directory);
    this.unsettled = new Map(found.versions.map((each) => [modelKey(each), each.signature]));
    await this.follow(found);
  }

  /** Takes in what has changed in the directory, and lets go of sessions that nobody asks for. */
  async refresh(): Promise<void> {
    const found = await scanModelDirectory(this.options.directory);
    // A volume that is away for a moment looks like this, too.
    if (found.versions.length > 0) await this.follow(found);
    const { pool, idleMs } = this.options;
    await this.dropRetired(this.now() - idleMs);
    await pool.releaseUnused(this.now() - idleMs);
  }

  private get served(): ModelDescriptor[] {
    return [...this.entries.values()].flatMap(({ served }) => served ?? []);
  }

  /** Ends the proof under way, if there is one, and begins no other. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.prover.stop();
  }

  private async follow(found: ModelDirectory): Promise<void> {
    this.followMisplaced(found);
    const { proveMs } = this.options;
    try {
      // One that takes long must not keep the others waiting.
      const slow: FoundVersion[] = [];
      for (const version of found.versions) {
        if ((await this.look(version, Math.min(FIRST_TRY_MS, proveMs))) === 'slow') slow.push(version);
      }
      await this.removeMissing(new Set(found.versions.map(modelKey)));
      await this.followAliases(found);
      if (!this.hasLooked) {
        this.hasLooked = true;
        this.options.onChange?.();
      }
      for (const version of slow) await this.look(version, proveMs);
      if (slow.length > 0) await this.followAliases(found);
    } finally {
      await this.prover.stop();
    }
  }

  /** Reads, proves and loads a version whose files have changed and are at rest; `slow` when its proof was given up. */
  private async look(found: FoundVersion, limitMs: number): Promise<'slow' | undefined> {
    const key = modelKey(found);
    const entry: Entry = this.entries.get(key) ?? { signature: '', external: new Map() };
    delete entry.isMissing;
    const signature = await signatureNow(found, entry);
    if (this.isStopped || entry.signature === signature) return undefined;
    if (this.unsettled.get(key) !== signature) {
      this.unsettled.set(key, signature);
      return undefined;
    }
    this.entries.set(key, entry);
    try {
      await this.serve(found, entry, limitMs);
      delete entry.refusal;
    } catch (error) {
      if (this.isStopped) return undefined;
      if (error instanceof ProofTimeout && limitMs < this.options.proveMs) {
        this.unsettled.set(key, signatureRead(found, entry));
        return 'slow';
      }
      const { name, version } = found;
      entry.refusal = { name, version: String(version), reason: (error as Error).message };
      const kept = entry.served === undefined ? '' : '; what was served before stays in service';
      this.options.log.error(`a model is not served${kept}`, { ...entry.refusal });
    }
    entry.signature = signatureRead(found, entry);
    this.unsettled.delete(key);
    this.options.onChange?.();
    return undefined;
  }

  private async serve(found: FoundVersion, entry: Entry, limitMs: number): Promise<void> {
    const { name, version, path } = found;
    const { pool, poolName, copies, log } = this.options;
    entry.external = new Map();
    const files = await readVersionFiles(found, async (beside) => {
      entry.external.set(beside, await stampOf(beside));
    });
    const { file, samples, digest, fingerprint } = files;
    const samplesText = JSON.stringify(samples);
    if (entry.served?.fingerprint === fingerprint && entry.samples === samplesText) return;
    if ((file.limits?.pool ?? 'default') !== poolName) {
      await this.retire(entry);
      return;
    }
    const pin = modelPin({ name, version, fingerprint });
    try {
      const copy = await copies.keep(path, files);
      const proof = await this.prover.prove({ path: copy, file, samples }, limitMs);
      const { manifest, example, secondsPerRow, doubt } = proof;
      const doubtful = doubt === undefined ? {} : { doubt };
      if (!this.pins.includes(pin)) await pool.load({ pin, path: copy, manifest, example });
      if (this.isStopped) return;
      const before = entry.served;
      const model = { name, version, manifest, digest, fingerprint, example, ...doubtful };
      entry.served = { ...model, seconds_per_row: secondsPerRow };
      entry.samples = samplesText;
      this.retired.delete(pin);
      if (before !== undefined && modelPin(before) !== pin) await this.keepForTasks(before);
      log.info('a model is served', { model: modelKey(found), digest, ...doubtful });
    } catch (error) {
      if (!this.pins.includes(pin)) pool.forget(pin);
      await this.dropCopy(fingerprint);
      throw error;
    }
  }

  /** A version that was absent from two looks has been removed. */
  private async removeMissing(found: ReadonlySet<string>): Promise<void> {
    for (const [key, entry] of [...this.entries]) {
      if (found.has(key)) continue;
      if (entry.isMissing !== true) {
        entry.isMissing = true;
        continue;
      }
      if (entry.served !== undefined) this.options.log.info('a model was removed', { model: key });
      await this.retire(entry);
      this.entries.delete(key);
      this.options.onChange?.();
    }
  }

  /** Offers a version to new tasks no longer. */
  private async retire(entry: Entry): Promise<void> {
    const { served } = entry;
    delete entry.served;
    if (served !== undefined) await this.keepForTasks(served);
  }

  /** Keeps what is no longer offered for the tasks that have it. */
  private async keepForTasks(descriptor: ModelDescriptor): Promise<void> {
    this.retired.set(modelPin(descriptor), { since: this.now() });
    while (this.retired.size > RETIRED_MAX) await this.drop([...this.retired.keys()][0] as string);
  }

  private async dropRetired(before: number): Promise<void> {
    for (const [pin, { since }] of [...this.retired]) {
      if (Math.max(since, this.options.pool.lastUsed(pin)) < before) await this.drop(pin);
    }
  }

  private async drop(pin: string): Promise<void> {
    this.retired.delete(pin);
    this.options.pool.forget(pin);
    await this.dropCopy(pin.slice(pin.indexOf(' ') + 1));
  }

  /** Unless the same files are served as another version. */
  private async dropCopy(fingerprint: string): Promise<void> {
    if (this.pins.some((pin) => pin.endsWith(` ${fingerprint}`))) return;
    await this.options.copies.drop(fingerprint).catch(() => {});
  }

  private async followAliases({ aliases }: ModelDirectory): Promise<void> {
    const { log } = this.options;
    const isServed = (name: string, version: number) =>
      this.entries.get(modelKey({ name, version }))?.served !== undefined;
    for (const name of this.aliases.keys()) {
      if (aliases.some((each) => each.name === name)) continue;
      this.aliases.delete(name);
      this.options.onChange?.();
    }
    for (const found of aliases) {
      const { name } = found;
      if (!this.served.some((model) => model.name === name)) continue;
      const before = this.aliases.get(name);
      const after = await readAliases(found, before, (version) => isServed(name, version));
      this.aliases.set(name, after);
      if (JSON.stringify(after) === JSON.stringify(before)) continue;
      this.options.onChange?.();
      log.info('aliases', { model: name, ...after.targets });
      for (const problem of after.problems)
        log.error('an alias cannot be followed', { model: name, reason: problem });
    }
  }

  /** Takes in what is wrong with the directory itself; logs what was not there at the last look. */
  private followMisplaced({ refused }: ModelDirectory): void {
    const before = this.misplaced.map((each) => JSON.stringify(each));
    this.misplaced = refused;
    const news = refused.filter((each) => !before.includes(JSON.stringify(each)));
    for (const refusal of news) this.options.log.error('a model is not served', { ...refusal });
    if (news.length > 0 || refused.length !== before.length) this.options.onChange?.();
  }
}

/** Of the files as they are now. */
async function signatureNow(found: FoundVersion, { external }: Entry): Promise<string> {
  return [found.signature, ...(await Promise.all([...external.keys()].map(stampOf)))].join(' ');
}

/** Of the files as they were before they were read. */
function signatureRead(found: FoundVersion, { external }: Entry): string {
  return [found.signature, ...external.values()].join(' ');
}
