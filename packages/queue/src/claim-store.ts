/**
 * The claim store is responsible for idempotency keys: that under one key of one client at most one task is accepted,
 * whichever API process dies at whichever step.
 *
 * The order of steps, each of which stands being sent again:
 *  1. `claim`: the key is taken for a task id that is new; a lease says that somebody works on it, and is renewed by `hold`.
 *  2. The task is created and its chunks are stored and queued.
 *  3. `hold` with the fingerprint of what was received. Refused when another request has taken the key over.
 *  4. The task is sealed: from here on it is accepted.
 *  5. `answer`: the task is the answer to the key. Only now the client is told.
 * A request that fails between 1 and 4 undoes its task and then frees the key (`abandon`).
 *
 * Where the process dies, the lease runs out, and the next request with the key settles the matter before it may take
 * over: it aborts the task, which works only on one that is not sealed (died before 4: whoever still holds it cannot seal
 * it any more), and else makes the sealed task the answer (died between 4 and 5; the fingerprint is known since 3).
 */
import type { Task } from '@millrace/batch/task';
import type { RedisConnection } from './connection.js';
import type { ClaimLifetimes, Keys } from './keys.js';
import { CLAIM_SCRIPTS } from './scripts/claim-scripts.js';
import { defineScripts, type Script } from './scripts/define-scripts.js';
import { SILENT_UPLOAD, type TaskStore } from './task-store.js';

/** A client's key, and the task that a request would have accepted under it. */
export interface Claim {
  client: string;
  key: string;
  task: string;
}

export type Claimed =
  /** The key is this request's. */
  | { kind: 'claimed' }
  /** Another request with the key is under way. */
  | { kind: 'in_use' }
  /** This task was accepted under the key, for a request with this fingerprint. */
  | { kind: 'answered'; task: Task; fingerprint: string };

/** How often a claim is tried again that changed while it was looked at. */
const ROUNDS_MAX = 5;

export class ClaimStore {
  private readonly scripts: Record<keyof typeof CLAIM_SCRIPTS, Script>;

  /** @param now milliseconds since the epoch */
  constructor(
    redis: RedisConnection,
    private readonly keys: Keys,
    private readonly tasks: TaskStore,
    readonly lifetimes: ClaimLifetimes,
    private readonly now: () => number = Date.now,
  ) {
    this.scripts = defineScripts(redis, CLAIM_SCRIPTS);
  }

  async claim(claim: Claim): Promise<Claimed> {
    const { leaseMs, keptMs } = this.lifetimes;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const reply = await this.scripts.claim(...this.keysOf(claim), claim.task, leaseMs, keptMs);
      const [kind, task = '', fingerprint = ''] = reply as [Claimed['kind'] | 'lapsed', string?, string?];
      switch (kind) {
        case 'claimed':
        case 'in_use':
          return { kind };
        case 'answered': {
          const found = await this.tasks.read(task);
          if (found !== undefined && !(await this.isGone(found))) return { kind, task: found, fingerprint };
          await this.scripts.free(...this.keysOf(claim), task);
          break;
        }
        case 'lapsed': {
          if (await this.settle({ ...claim, task })) break;
          const taken = await this.scripts.takeOver(...this.keysOf(claim), task, claim.task, leaseMs, keptMs);
          if (taken === 1) return { kind: 'claimed' };
          break;
        }
        default:
          return kind satisfies never;
      }
    }
    return { kind: 'in_use' };
  }

  /** Renews the lease; with a fingerprint says what was received. False when the key is another's now. */
  async hold(claim: Claim, fingerprint = ''): Promise<boolean> {
    const { leaseMs, keptMs } = this.lifetimes;
    const reply = await this.scripts.hold(...this.keysOf(claim), claim.task, leaseMs, keptMs, fingerprint);
    return reply === 1;
  }

  /** Makes the sealed task the answer. False when the claim is another's, or no fingerprint was given to `hold`. */
  async answer(claim: Claim): Promise<boolean> {
    return (await this.scripts.answer(...this.keysOf(claim), claim.task, this.lifetimes.keptMs)) === 1;
  }

  /**
   * Frees the key after a request that was not accepted and whose task is undone; if the undoing did not work and the
   * task is sealed after all, it becomes the answer. False when the key was another's already.
   */
  async abandon(claim: Claim): Promise<boolean> {
    if (await this.settle(claim)) return true;
    return (await this.scripts.free(...this.keysOf(claim), claim.task)) === 1;
  }

  /** True when the task of a request that is no more was accepted; it is the answer then. Otherwise it cannot be any more. */
  private async settle(claim: Claim): Promise<boolean> {
    await this.tasks.abort(claim.task, SILENT_UPLOAD);
    const task = await this.tasks.read(claim.task);
    if (task === undefined || task.error !== undefined) return false;
    return this.answer(claim);
  }

  /** Its results have expired; or Redis has lost it since it was answered, the key being on another node perhaps. */
  private async isGone({ id, status, error, expiresAt }: Task): Promise<boolean> {
    if (error !== undefined || (expiresAt !== undefined && expiresAt <= this.now())) return true;
    return status === 'receiving' && (await this.tasks.isInterrupted(id));
  }

  private keysOf({ client, key }: Claim): [string, string] {
    return [this.keys.claim(client, key), this.keys.lease(client, key)];
  }
}
