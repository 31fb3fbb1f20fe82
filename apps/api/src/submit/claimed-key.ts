/**
 * The claimed key is responsible for one request's hold on its idempotency key while the body is received. The order of
 * steps is the claim store's (packages/queue/src/claim-store.ts); this drives it from the request's side.
 */
import { BatchError } from '@millrace/batch/errors';
import type { Claim, ClaimStore } from '@millrace/queue/claim-store';
import type { Fingerprint } from './fingerprint.js';

/** Renewals per lease; two may be lost. */
const RENEWALS = 3;

export class ClaimedKey {
  private isLost = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly claims: ClaimStore,
    private readonly claim: Claim,
    private readonly fingerprint: Fingerprint,
  ) {
    this.timer = setInterval(() => this.renew(), claims.lifetimes.leaseMs / RENEWALS);
  }

  /** @throws BatchError `idempotency_key_in_use` when another request has taken the key over */
  receive(piece: Uint8Array): void {
    if (this.isLost) throw takenOver();
    this.fingerprint.update(piece);
  }

  /** To be called when everything is received and stored, before the task is sealed. @throws as `receive` */
  async confirm(): Promise<void> {
    if (!(await this.claims.hold(this.claim, this.fingerprint.digest()))) throw takenOver();
  }

  /** To be called when the task is sealed. */
  async answer(): Promise<void> {
    await this.claims.answer(this.claim);
  }

  /** To be called when the request came to nothing and its task is undone: `error`, or what explains it better. */
  async abandon(error: unknown): Promise<unknown> {
    return (await this.claims.abandon(this.claim)) ? error : takenOver();
  }

  /** Stops renewing; what is left of the lease runs out. */
  stop(): void {
    clearInterval(this.timer);
  }

  private renew(): void {
    this.claims.hold(this.claim).then(
      (isHeld) => {
        this.isLost = !isHeld;
      },
      // Redis is away; the upload meets that itself, and the lease may be taken again until somebody else has it.
      () => {},
    );
  }
}

export function keyInUse(): BatchError {
  return new BatchError(
    'idempotency_key_in_use',
    'another request with this Idempotency-Key is under way; ask again when it has been answered',
  );
}

function takenOver(): BatchError {
  return new BatchError(
    'idempotency_key_in_use',
    'this upload was silent for so long that another request has taken its Idempotency-Key over; ask again',
  );
}
