/** One GET below the operator's connections: redirects followed within them only, every wait and the size bounded. */
import { fetchProblem } from '../fetch-problem.js';
import { RunError } from '../run-error.js';
import { connectionOf, type HttpConnection, shown } from './allowed-url.js';

export interface HttpBounds {
  /** From the request to the head of the answer, connecting included. */
  answerMs: number;
  /** For how long nothing may come. */
  idleMs: number;
  /** For one answer as a whole. */
  totalMs: number;
  /** Of one answer, after inflating. */
  maxBytes: number;
}

export const HTTP_BOUNDS: HttpBounds = {
  answerMs: 60_000,
  idleMs: 60_000,
  totalMs: 6 * 3_600_000,
  maxBytes: 64 * 1024 ** 3,
};

export interface HttpDeps {
  connections: { ofKind(kind: 'http'): readonly HttpConnection[] };
  bounds?: HttpBounds;
}

export interface Answer {
  /** Where the redirects have led. */
  url: URL;
  status: number;
  headers: Headers;
  bytes: AsyncIterable<Uint8Array>;
  /** Lets go of the connection; for an answer whose bytes are not read. */
  end(): void;
}

const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Those of the statuses below 500 with which a server asks to be asked again. */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * @param range of bytes, the last included
 * @throws RunError `source_not_found`, `source_not_allowed`, `source_unreadable`, as the iteration of the bytes does
 */
export async function get(
  url: URL,
  { connections, bounds = HTTP_BOUNDS }: HttpDeps,
  signal: AbortSignal,
  range?: { first: number; last: number },
): Promise<Answer> {
  const request = new BoundedRequest(bounds, signal);
  let target = url;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const headers = new Headers(connectionOf(target, connections.ofKind('http')).headers);
    if (range !== undefined) {
      headers.set('range', `bytes=${range.first}-${range.last}`);
      // Of bytes that were deflated on the way, a range would be one of something else.
      headers.set('accept-encoding', 'identity');
    }
    const response = await request.send(target, headers);
    const location = response.headers.get('location');
    if (!REDIRECTS.has(response.status) || location === null) {
      const isGood = response.status === 200 || (range !== undefined && response.status === 206);
      if (!isGood) {
        request.end();
        throw refusal(target, response);
      }
      const bytes = request.read(target, response);
      return {
        url: target,
        status: response.status,
        headers: response.headers,
        bytes,
        end: () => request.end(),
      };
    }
    await response.body?.cancel();
    target = followed(target, location);
  }
  request.end();
  throw new RunError('source_unreadable', `${shown(url)} redirects more than ${REDIRECTS_MAX} times`, false);
}

function followed(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) {
    throw new RunError('source_unreadable', `${shown(from)} redirects to what is no URL`, false);
  }
  return new URL(location, from);
}

function refusal(url: URL, { status, statusText, headers }: Response): RunError {
  const type = headers.get('content-type');
  const message = `${shown(url)} answered ${status} ${statusText}${type === null ? '' : ` (${type})`}`;
  if (status === 404 || status === 410) return new RunError('source_not_found', message, false);
  return new RunError('source_unreadable', message, status >= 500 || TRY_AGAIN.has(status));
}

/** BoundedRequest is responsible for ending one request, with the redirects before it, when a bound is passed. */
class BoundedRequest {
  private readonly bound = new AbortController();
  private readonly total: AbortSignal;
  private readonly signal: AbortSignal;

  constructor(
    private readonly bounds: HttpBounds,
    private readonly outer: AbortSignal,
  ) {
    this.total = AbortSignal.timeout(bounds.totalMs);
    this.signal = AbortSignal.any([outer, this.total, this.bound.signal]);
  }

  async send(url: URL, headers: Headers): Promise<Response> {
    const { answerMs } = this.bounds;
    const timer = this.abortIn(answerMs, `has not answered within ${answerMs} ms`);
    try {
      return await fetch(url, { headers, redirect: 'manual', signal: this.signal });
    } catch (error) {
      this.end();
      throw this.failure(url, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async *read(url: URL, response: Response): AsyncGenerator<Uint8Array> {
    const { idleMs, maxBytes } = this.bounds;
    const reader = response.body?.getReader();
    let total = 0;
    try {
      while (reader !== undefined) {
        const timer = this.abortIn(idleMs, `has sent nothing for ${idleMs} ms`);
        const { done, value } = await reader.read().finally(() => clearTimeout(timer));
        if (done) return;
        total += value.length;
        if (total > maxBytes) {
          throw new RunError('source_unreadable', `${shown(url)} has more than ${maxBytes} bytes`, false);
        }
        yield value;
      }
    } catch (error) {
      throw this.failure(url, error);
    } finally {
      this.end();
    }
  }

  end(): void {
    this.bound.abort();
  }

  private abortIn(ms: number, what: string): NodeJS.Timeout {
    return setTimeout(() => this.bound.abort(new BoundPassed(what)), ms);
  }

  private failure(url: URL, error: unknown): unknown {
    if (error instanceof RunError) return error;
    if (this.outer.aborted) return this.outer.reason;
    const { totalMs } = this.bounds;
    const problem = this.total.aborted ? `has not ended its answer within ${totalMs} ms` : problemOf(error);
    return new RunError('source_unreadable', `${shown(url)} ${problem}`, true, { cause: error });
  }
}

class BoundPassed extends Error {}

function problemOf(error: unknown): string {
  return error instanceof BoundPassed ? error.message : `cannot be read: ${fetchProblem(error)}`;
}
