/** One HTTP call on a connection of its own, bounded in time, that may be slow to send and may break off on purpose. */
import { once } from 'node:events';
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  headers?: Record<string, string>;
  body?: Buffer;
  /** The body goes out in so many pieces. */
  pieces?: number;
  /** The client goes away in the middle: of its upload, or of its download. */
  cuts?: 'upload' | 'download';
}

export type Reply =
  | { kind: 'answer'; status: number; headers: IncomingHttpHeaders; body: string }
  /** The connection ended before the answer did: a fault, or the client's own doing. */
  | { kind: 'lost'; why: string }
  /** There was no end of it within the bound. */
  | { kind: 'hang' };

const PIECE_PAUSE_MS = 100;

/** @param boundMs for all of it */
export async function httpCall(port: number, call: Call, boundMs: number): Promise<Reply> {
  const bound = AbortSignal.timeout(boundMs);
  const sent = request({
    host: '127.0.0.1',
    port,
    agent: false,
    method: call.method,
    path: call.path,
    headers: { ...call.headers, ...(call.body === undefined ? {} : { 'content-length': call.body.length }) },
    signal: bound,
  });
  const answered = answerTo(sent, call);
  send(sent, call).catch(() => {});
  try {
    return await answered;
  } catch (error) {
    if (bound.aborted) return { kind: 'hang' };
    return { kind: 'lost', why: (error as NodeJS.ErrnoException).code ?? (error as Error).message };
  } finally {
    sent.destroy();
  }
}

async function answerTo(sent: ClientRequest, { cuts }: Call): Promise<Reply> {
  // A response may come while the body still goes out; a connection that breaks then has not taken it away.
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  sent.on('error', () => {});
  const pieces: Buffer[] = [];
  for await (const piece of response) {
    pieces.push(piece);
    if (cuts === 'download') return { kind: 'lost', why: 'cut' };
  }
  const { statusCode = 0, headers } = response;
  return { kind: 'answer', status: statusCode, headers, body: Buffer.concat(pieces).toString() };
}

async function send(sent: ClientRequest, { body, pieces = 1, cuts }: Call): Promise<void> {
  if (body === undefined) return void sent.end();
  const size = Math.max(1, Math.ceil(body.length / pieces));
  for (let at = 0; at < body.length && !sent.destroyed; at += size) {
    if (at > 0) await delay(PIECE_PAUSE_MS);
    if (cuts === 'upload' && at + size >= body.length) {
      sent.write(body.subarray(at, Math.floor((at + body.length) / 2)));
      await delay(PIECE_PAUSE_MS);
      sent.destroy(new Error('cut'));
      return;
    }
    if (!sent.write(body.subarray(at, at + size))) await once(sent, 'drain');
  }
  sent.end();
}
