/** An HTTP client is responsible for the connections to one server: they are kept, and every silence is bounded. */
import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Pieces } from './result-reader.js';

export interface HttpCall {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  headers?: Record<string, string>;
  /** Bytes, or pieces that are sent as the socket takes them. */
  body?: Uint8Array | Pieces;
}

export interface HttpAnswer {
  status: number;
  body: Buffer;
}

/** Longer than any answer is held back on purpose. */
const SILENCE_MS = 300_000;

export class HttpClient {
  private readonly agent = new Agent({ keepAlive: true });

  /** @param signal ends every call */
  constructor(
    private readonly url: string,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws Error when the answer has none of these statuses, or there is none */
  async call(call: HttpCall, statuses: readonly number[]): Promise<HttpAnswer> {
    const response = await this.open(call, statuses);
    return { status: response.statusCode as number, body: await bodyOf(response) };
  }

  /** The same, with a body that is still to be read. */
  async open(call: HttpCall, statuses: readonly number[]): Promise<IncomingMessage> {
    try {
      return await this.send(call, statuses);
    } catch (error) {
      // A server may close a connection that it has kept for long just when it is used again: it has read nothing then.
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET' || isStream(call.body)) throw error;
      return this.send(call, statuses);
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private async send(call: HttpCall, statuses: readonly number[]): Promise<IncomingMessage> {
    const { method, path, headers = {}, body } = call;
    const length = body instanceof Uint8Array ? { 'content-length': body.length } : {};
    const sent = request(this.url + path, {
      method,
      agent: this.agent,
      headers: { ...headers, ...length },
      signal: this.signal,
    });
    sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
    const answered = once(sent, 'response');
    answered.catch(() => {});
    // When the server breaks off, its answer, or that there is none, says more than the failure to send.
    await send(sent, body).catch(() => {});
    const [response] = (await answered) as [IncomingMessage];
    if (!statuses.includes(response.statusCode as number)) {
      const text = (await bodyOf(response)).toString().slice(0, 500);
      throw new Error(`${method} ${path} is answered with ${response.statusCode} ${text}`);
    }
    return response;
  }
}

function isStream(body: HttpCall['body']): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}

async function send(sent: ClientRequest, body: HttpCall['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) return void sent.end(body);
  for await (const piece of body) {
    if (sent.destroyed) return;
    if (!sent.write(piece)) await once(sent, 'drain');
  }
  sent.end();
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
