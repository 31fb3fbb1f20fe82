/** Sends a request as it is to be delivered, and reads the answer within a bound. */
import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from 'node:http';
import type { Call } from './call.js';

export type Outcome =
  | { kind: 'answered'; status: number; headers: IncomingHttpHeaders; body: Buffer }
  /** The head came, and then so much of a body that had no end within the bound. */
  | { kind: 'endless'; status: number; headers: IncomingHttpHeaders; body: Buffer }
  /** The client went away, as it was meant to. */
  | { kind: 'left' }
  /** `isBegun`: the answer had begun. `isStale`: the connection had been used before. */
  | { kind: 'failed'; reason: string; isBegun: boolean; isStale: boolean };

const PIECES = 5;

export class Sender {
  private readonly agent: Agent;

  /** @param boundMs how long an answer may take */
  constructor(
    private readonly url: string,
    private readonly boundMs: number,
    connections: number,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  async send(call: Call): Promise<Outcome> {
    const outcome = await this.attempt(call, call.delivery === 'whole' ? this.agent : undefined);
    // A connection that was kept alive may have been closed just when it was used again.
    const isStale = outcome.kind === 'failed' && outcome.isStale && !outcome.isBegun;
    return isStale ? this.attempt(call, undefined) : outcome;
  }

  /** Closes the connections that are kept alive. */
  close(): void {
    this.agent.destroy();
  }

  private attempt(call: Call, agent: Agent | undefined): Promise<Outcome> {
    return new Promise((resolve) => {
      const sent = this.open(call, agent);
      let answer: IncomingMessage | undefined;
      const parts: Buffer[] = [];
      const end = (outcome: Outcome): void => {
        clearTimeout(timer);
        resolve(outcome);
        if (outcome.kind !== 'answered') sent.destroy();
      };
      const read = (kind: 'answered' | 'endless', { statusCode = 0, headers }: IncomingMessage): Outcome => ({
        kind,
        status: statusCode,
        headers,
        body: Buffer.concat(parts),
      });
      const fail = (reason: string): void => {
        end({ kind: 'failed', reason, isBegun: answer !== undefined, isStale: sent.reusedSocket });
      };
      const timer = setTimeout(() => {
        if (answer === undefined) fail(`no answer within ${this.boundMs} ms`);
        else end(read('endless', answer));
      }, this.boundMs);
      sent.on('error', (error) => fail(error.message));
      sent.on('response', (response) => {
        answer = response;
        response.on('data', (part) => parts.push(part));
        response.on('end', () => end(read('answered', response)));
        response.on('error', (error) => fail(`the answer broke off: ${error.message}`));
      });
      deliver(sent, call, () => end({ kind: 'left' }));
    });
  }

  private open({ method, path, headers, body, delivery }: Call, agent: Agent | undefined): ClientRequest {
    const { hostname, port } = new URL(this.url);
    const isSized = body !== undefined && delivery !== 'pieces';
    const framing = isSized
      ? { 'content-length': String(body.length) }
      : body && { 'transfer-encoding': 'chunked' };
    return request({
      host: hostname,
      port,
      method,
      path,
      headers: { ...headers, ...framing },
      agent: agent ?? false,
    });
  }
}

/** @param leave is called when the client goes away */
function deliver(sent: ClientRequest, { body = Buffer.alloc(0), delivery }: Call, leave: () => void): void {
  const half = body.subarray(0, Math.floor(body.length / 2));
  switch (delivery) {
    case 'whole':
      sent.end(body);
      break;
    case 'pieces':
      for (let piece = 0; piece < PIECES; piece++) {
        sent.write(body.subarray((body.length * piece) / PIECES, (body.length * (piece + 1)) / PIECES));
      }
      sent.end();
      break;
    case 'chopped':
      sent.flushHeaders();
      if (half.length === 0) setImmediate(leave);
      else sent.write(half, () => setImmediate(leave));
      break;
    case 'silent':
      if (body.length === 0) sent.end();
      else sent.flushHeaders();
      if (half.length > 0) sent.write(half);
      break;
    case 'hasty':
      sent.end(body, () => setImmediate(leave));
      break;
  }
}
