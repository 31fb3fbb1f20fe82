/** The caller is responsible for getting an answer through faults, and for judging every answer that comes on the way. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Call, httpCall, type Reply } from './http-call.js';
import type { Rule } from './violations.js';

export type Answer = Extract<Reply, { kind: 'answer' }>;

/** Calls by how they ended. */
export interface CallCounts {
  answered: number;
  unavailable: number;
  lost: number;
}

/** No answer came within the time of the round. */
export class GaveUpError extends Error {}

/** Longer than any fault lasts, and all that a process needs to come back. */
const CALL_BOUND_MS = 30_000;
const BETWEEN_TRIES_MS = 100;

export class Caller {
  /** @param deadline when to give up, in ms since the epoch @param boundMs for one call */
  constructor(
    private readonly port: number,
    private readonly counts: CallCounts,
    private readonly deadline: () => number,
    private readonly violate: (rule: Rule, detail: string) => void,
    private readonly boundMs = CALL_BOUND_MS,
  ) {}

  /** One try: the answer, or undefined when it was lost or Redis cannot serve now. */
  async try(call: Call): Promise<Answer | undefined> {
    const reply = await httpCall(this.port, call, this.boundMs);
    const what = `${call.method} ${call.path}`;
    switch (reply.kind) {
      case 'hang':
        this.violate('hang', `${what} was not answered within ${this.boundMs} ms`);
        return undefined;
      case 'lost':
        this.counts.lost++;
        return undefined;
      case 'answer':
        this.judge(what, reply);
        if (reply.status === 503) {
          this.counts.unavailable++;
          return undefined;
        }
        this.counts.answered++;
        return reply;
    }
  }

  /**
   * Tries until there is an answer.
   * @param next makes each try, counted from 0 @param isFinal false for one that asks for another try
   * @throws GaveUpError
   */
  async insist(
    next: (attempt: number) => Call,
    isFinal: (answer: Answer) => boolean = () => true,
  ): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      const call = next(attempt);
      const answer = await this.try(call);
      if (answer !== undefined && isFinal(answer)) return answer;
      this.refuseWhenLate(`${call.method} ${call.path}`);
      await delay(BETWEEN_TRIES_MS);
    }
  }

  /** @param what is waited for @throws GaveUpError when the time is over */
  refuseWhenLate(what: string): void {
    if (Date.now() > this.deadline()) throw new GaveUpError(what);
  }

  private judge(what: string, { status, headers, body }: Answer): void {
    const isProblem = headers['content-type']?.startsWith('application/problem+json') === true;
    const isFine = status < 400 || (isProblem && (status < 500 || status === 503));
    if (!isFine) this.violate('answer', `${what} was answered ${status} ${body.slice(0, 500)}`);
  }
}
