/** One attempt at delivering a message to a webhook, and what came of it. */
import { fetchProblem } from '../fetch-problem.js';
import { secretKey, sign } from './standard-webhooks.js';

export interface Webhook {
  /** As secret as the secret, with many receivers: no message of ours has it. */
  url: string;
  /** See `secretKey`. */
  secret: string;
}

export interface Message {
  /** The same in all attempts at it. */
  id: string;
  contentType: string;
  body: Uint8Array;
}

/** How an attempt ended. `said` is the beginning of what the receiver answered. */
export type Delivery =
  | { outcome: 'delivered'; status: number; said: string }
  | { outcome: 'refused'; status: number; said: string; isTransient: boolean; retryAfterMs: number }
  | { outcome: 'unanswered'; reason: string };

const SAID_BYTES_MAX = 1024;

/** Those of the statuses below 500 with which a receiver asks to be asked again. */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Redirects are refusals: by the specification it is the URL that is to be put right.
 * @param timeoutMs for the whole exchange
 * @throws the signal's reason, and nothing for what the receiver does
 */
export async function send(
  { url, secret }: Webhook,
  { id, contentType, body }: Message,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Delivery> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const { target, authorization } = withoutCredentials(url);
  const signed = sign(secretKey(secret), id, Date.now(), body);
  const headers = { ...signed, ...authorization, 'content-type': contentType };
  try {
    const response = await fetch(target, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, timeout]),
    });
    const { status, ok } = response;
    const said = await beginningOf(response);
    if (ok) return { outcome: 'delivered', status, said };
    const isTransient = status >= 500 || TRY_AGAIN.has(status);
    return { outcome: 'refused', status, said, isTransient, retryAfterMs: retryAfterMs(response) };
  } catch (error) {
    signal.throwIfAborted();
    const reason = timeout.aborted ? `no answer within ${timeoutMs} ms` : fetchProblem(error);
    return { outcome: 'unanswered', reason };
  }
}

/** `fetch` takes no user and password in a URL, and quotes it whole when it refuses one. */
function withoutCredentials(url: string): { target: URL; authorization: { authorization?: string } } {
  const target = new URL(url);
  const { username, password } = target;
  if (username === '' && password === '') return { target, authorization: {} };
  target.username = '';
  target.password = '';
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { target, authorization: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } };
}

/** Whether another attempt may end otherwise. */
export function isWorthRetrying(delivery: Delivery): boolean {
  switch (delivery.outcome) {
    case 'delivered':
      return false;
    case 'refused':
      return delivery.isTransient;
    case 'unanswered':
      return true;
  }
}

/** What is told of an attempt, in one line. */
export function describeDelivery(delivery: Delivery): string {
  if (delivery.outcome === 'unanswered') return delivery.reason;
  const said = delivery.said.replace(/\s+/g, ' ').trim();
  return `${delivery.status}${said === '' ? '' : ` "${said}"`}`;
}

/** The status has come already, so that a body which breaks off changes nothing. */
async function beginningOf({ body }: Response): Promise<string> {
  const reader = body?.getReader();
  let said = Buffer.alloc(0);
  try {
    while (reader !== undefined && said.length < SAID_BYTES_MAX) {
      const { done, value } = await reader.read();
      if (done) break;
      said = Buffer.concat([said, value]);
    }
    await reader?.cancel();
  } catch {
    // What has come is what there is.
  }
  return said.subarray(0, SAID_BYTES_MAX).toString();
}

/** In seconds or as a date; 0 when it says neither. */
function retryAfterMs({ headers }: Response): number {
  const text = headers.get('retry-after') ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.max(0, ms);
}
