/**
 * Predicts the rows of a suspect chunk in processes that may end over it: a part of the rows over which one ends, or is
 * not done in time, is halved and tried in a fresh one, until the rows at fault stand alone.
 */
import type { ChunkResult } from '@millrace/batch/results/encode-chunk';
import type { StoredSource } from '@millrace/columnar/rows/decode-stored';
import type { LoadableModel } from '../inference/messages.js';
import { halves } from '../inference/micro-batch.js';
import type { LostRows, SuspectReply, SuspectRequest } from './messages.js';
import type { Answer, SuspectProcess } from './suspect-process.js';

export interface SearchLimits {
  /** For a row alone. */
  rowMs: number;
  /** For rows together. They are only halved when they exceed it, so it may be much less. */
  partMs: number;
  /** To start a process, load the model and read the rows; to encode the result. */
  openMs: number;
  /** For all of the search. */
  totalMs: number;
  /** Processes that may be lost over one chunk. */
  processes: number;
}

type Fate = Extract<Answer, { kind: 'died' | 'late' }>;

/** Rows to be tried, and what came of it when they were last tried, alone or with others. */
interface Part {
  rows: Uint32Array;
  fate?: Fate;
  wasAlone?: boolean;
}

export class Search {
  private readonly startedAt = performance.now();
  /** The process that has the chunk open. */
  private process: SuspectProcess | undefined;
  private processesLost = 0;
  private readonly parts: Uint8Array[] = [];
  private readonly lost: LostRows[] = [];

  /** @param start starts a process in the place of the one before */
  constructor(
    private readonly model: LoadableModel,
    private readonly source: StoredSource,
    private readonly limits: SearchLimits,
    private readonly start: () => Promise<SuspectProcess>,
  ) {}

  /** @throws Error when a process does not come as far as to predict */
  async run(): Promise<ChunkResult> {
    // In turns, so that all healthy micro-batches have been predicted before the first row at fault stands alone.
    const waiting: Part[] = (await this.open()).map((rows) => ({ rows }));
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
      const leftMs = this.limits.totalMs - (performance.now() - this.startedAt);
      if (leftMs <= 0 || this.processesLost >= this.limits.processes) this.lost.push(givenUp(part));
      else waiting.push(...(await this.attempt(part, leftMs)));
    }
    return (await this.expect('encoded', { kind: 'encode', parts: this.parts, lost: this.lost })).result;
  }

  /** @returns what is to be tried in its place */
  private async attempt({ rows, wasAlone }: Part, leftMs: number): Promise<Part[]> {
    const isAlone = rows.length === 1;
    const limitMs = Math.min(isAlone ? this.limits.rowMs : this.limits.partMs, leftMs);
    if (this.process === undefined) await this.open();
    const answer = await (this.process as SuspectProcess).ask({ kind: 'predict', rows }, limitMs);
    switch (answer.kind) {
      case 'predicted':
        this.parts.push(answer.part);
        return [];
      case 'died':
      case 'late':
        this.process = undefined;
        this.processesLost++;
        if (!isAlone) return halves(rows).map((half) => ({ rows: half, fate: answer }));
        // A process can end for want of memory elsewhere, or by hand: a row is blamed when it happens twice.
        if (answer.kind === 'died' && wasAlone !== true) return [{ rows, fate: answer, wasAlone: true }];
        this.lost.push(blamed(rows, answer, limitMs));
        return [];
      case 'refused':
        throw new Error(answer.message);
      case 'opened':
      case 'encoded':
        throw new Error(`the process for a suspect chunk answered out of turn: ${answer.kind}`);
    }
  }

  private async open(): Promise<Uint32Array[]> {
    this.process = await this.start();
    const { model, source } = this;
    return (await this.expect('opened', { kind: 'open', model, source })).batches;
  }

  /** Asks for what no row can be blamed for. */
  private async expect<Kind extends SuspectReply['kind']>(
    kind: Kind,
    request: SuspectRequest,
  ): Promise<Extract<SuspectReply, { kind: Kind }>> {
    if (this.process === undefined) await this.open();
    const answer = await (this.process as SuspectProcess).ask(request, this.limits.openMs);
    if (answer.kind === kind) return answer as Extract<SuspectReply, { kind: Kind }>;
    const what = answer.kind === 'refused' ? answer.message : ending(answer);
    throw new Error(`the chunk could not be run in a process of its own: ${what}`);
  }
}

function blamed(rows: Uint32Array, fate: Fate, limitMs: number): LostRows {
  if (fate.kind === 'died') {
    return { rows, code: 'worker_lost', message: `the model ended its process on this row: ${fate.how}` };
  }
  const seconds = Math.round(limitMs) / 1000;
  return { rows, code: 'timeout', message: `the model gave no answer for this row within ${seconds} s` };
}

/** Rows that were never tried alone, or not twice: the search has taken all that it may. */
function givenUp({ rows, fate }: Part): LostRows {
  const all = rows.length === 1 ? 'this row' : `this row and ${rows.length - 1} beside it`;
  const end = 'the search for the rows at fault took too long';
  if (fate === undefined) return { rows, code: 'timeout', message: `this row was not tried: ${end}` };
  const message = `the model was not done with ${all} when ${end}; ${ending(fate)}`;
  return { rows, code: fate.kind === 'died' ? 'worker_lost' : 'timeout', message };
}

function ending(answer: Answer): string {
  return answer.kind === 'died' ? `its process ended with ${answer.how}` : 'there was no answer in time';
}
