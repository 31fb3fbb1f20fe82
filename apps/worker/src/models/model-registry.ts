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
import type { ServedModels } from '@millrace/queue/catalog';
import type { LoadableModel } from '../inference/messages.js';
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
  /** Called with every version that is served from now on. */
  onServed?: () => void;
  now?: () => number;
}

/** What is known of a version that lies in the directory. */
interface Entry {
  /** Of the files when they were last looked into. */
  signature: string;
  /** Files beside the ONNX file that it keeps data in, there or not. */
  external: string[];
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
  private readonly now: () => number;

  constructor(private readonly options: ModelRegistryOptions) {
    this.now = options.now ?? Date.now;
  }

  /** What the catalogue is told. */
  get models(): ServedModels {
    const refusals = [...this.entries.values()].map(({ refusal }) => refusal);
    return {
      served: this.served,
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
    this.dropRetired(this.now() - idleMs);
    await pool.releaseUnused(this.now() - idleMs);
  }

  private get served(): ModelDescriptor[] {
    return [...this.entries.values()].flatMap(({ served }) => served ?? []);
  }

  private async follow(found: ModelDirectory): Promise<void> {
    this.misplaced = this.reported(found.refused);
    const { proveMs } = this.options;
    const prover = new Prover();
    try {
      // One that takes long must not keep the others waiting.
      const slow: FoundVersion[] = [];
      for (const version of found.versions) {
        const isSlow = (await this.look(version, prover, Math.min(FIRST_TRY_MS, proveMs))) === 'slow';
        if (isSlow && proveMs > FIRST_TRY_MS) slow.push(version);
      }
      for (const version of slow) await this.look(version, prover, proveMs);
    } finally {
      await prover.stop();
    }
    this.removeAllBut(new Set(found.versions.map(modelKey)));
    await this.followAliases(found);
  }

  /** Reads, proves and loads a version whose files have changed and are at rest; `slow` when its proof was given up. */
  private async look(found: FoundVersion, prover: Prover, limitMs: number): Promise<'slow' | undefined> {
    const key = modelKey(found);
    const entry = this.entries.get(key) ?? { signature: '', external: [] };
    const signature = [found.signature, ...(await Promise.all(entry.external.map(stampOf)))].join(' ');
    if (entry.signature === signature) return undefined;
    if (this.unsettled.get(key) !== signature) {
      this.unsettled.set(key, signature);
      return undefined;
    }
    this.entries.set(key, entry);
    try {
      await this.serve(found, entry, prover, limitMs);
      delete entry.refusal;
    } catch (error) {
      if (error instanceof ProofTimeout && limitMs < this.options.proveMs) return 'slow';
      const { name, version } = found;
      entry.refusal = { name, version: String(version), reason: (error as Error).message };
      const kept = entry.served === undefined ? '' : '; what was served before stays in service';
      this.options.log.error(`a model is not served${kept}`, { ...entry.refusal });
    }
    entry.signature = [found.signature, ...(await Promise.all(entry.external.map(stampOf)))].join(' ');
    this.unsettled.delete(key);
    return undefined;
  }

  private async serve(found: FoundVersion, entry: Entry, prover: Prover, limitMs: number): Promise<void> {
    const { name, version, path } = found;
    const { pool, poolName, copies, log } = this.options;
    entry.external = [];
    const files = await readVersionFiles(found, (beside) => entry.external.push(beside));
    const { file, samples, digest, fingerprint } = files;
    if (entry.served?.fingerprint === fingerprint) return;
    if ((file.limits?.pool ?? 'default') !== poolName) {
      this.retire(entry);
      return;
    }
    const copy = await copies.keep(path, files);
    const { manifest, example, secondsPerRow, doubt } = await prover
      .prove({ path: copy, file, samples }, limitMs)
      .catch(async (error) => {
        await this.dropCopy(fingerprint);
        throw error;
      });
    const descriptor: ModelDescriptor = {
      name,
      version,
      manifest,
      digest,
      fingerprint,
      seconds_per_row: secondsPerRow,
      example,
      ...(doubt === undefined ? {} : { doubt }),
    };
    const loadable: LoadableModel = { pin: modelPin(descriptor), path: copy, manifest, example };
    await pool.load(loadable);
    this.retired.delete(loadable.pin);
    this.retire(entry);
    entry.served = descriptor;
    this.options.onServed?.();
    log.info('a model is served', {
      model: modelKey(descriptor),
      digest,
      ...(doubt === undefined ? {} : { doubt }),
    });
  }

  private removeAllBut(keys: ReadonlySet<string>): void {
    for (const [key, entry] of this.entries) {
      if (keys.has(key)) continue;
      if (entry.served !== undefined) this.options.log.info('a model was removed', { model: key });
      this.retire(entry);
      this.entries.delete(key);
    }
  }

  /** Offers a version to new tasks no longer, and keeps it for those that have it. */
  private retire(entry: Entry): void {
    if (entry.served === undefined) return;
    this.retired.set(modelPin(entry.served), { since: this.now() });
    delete entry.served;
    while (this.retired.size > RETIRED_MAX) this.drop([...this.retired.keys()][0] as string);
  }

  private dropRetired(before: number): void {
    for (const [pin, { since }] of this.retired) {
      if (Math.max(since, this.options.pool.lastUsed(pin)) < before) this.drop(pin);
    }
  }

  private drop(pin: string): void {
    this.retired.delete(pin);
    this.options.pool.forget(pin);
    this.dropCopy(pin.slice(pin.indexOf(' ') + 1)).catch(() => {});
  }

  /** Unless the same files are served as another version. */
  private async dropCopy(fingerprint: string): Promise<void> {
    if (this.pins.some((pin) => pin.endsWith(` ${fingerprint}`))) return;
    await this.options.copies.drop(fingerprint);
  }

  private async followAliases({ aliases }: ModelDirectory): Promise<void> {
    const { log } = this.options;
    const isServed = (name: string, version: number) =>
      this.entries.get(modelKey({ name, version }))?.served !== undefined;
    for (const name of this.aliases.keys()) {
      if (!aliases.some((each) => each.name === name)) this.aliases.delete(name);
    }
    for (const found of aliases) {
      const { name } = found;
      if (!this.served.some((model) => model.name === name)) continue;
      const before = this.aliases.get(name);
      const after = await readAliases(found, before, (version) => isServed(name, version));
      this.aliases.set(name, after);
      if (JSON.stringify(after) === JSON.stringify(before)) continue;
      log.info('aliases', { model: name, ...after.targets });
      for (const problem of after.problems)
        log.error('an alias cannot be followed', { model: name, reason: problem });
    }
  }

  /** Logs the refusals that were not there at the last look. */
  private reported(refusals: readonly Refusal[]): Refusal[] {
    for (const refusal of refusals) {
      const isKnown = this.misplaced.some(
        ({ name, version, reason }) =>
          name === refusal.name && version === refusal.version && reason === refusal.reason,
      );
      if (!isKnown) this.options.log.error('a model is not served', { ...refusal });
    }
    return [...refusals];
  }
}
