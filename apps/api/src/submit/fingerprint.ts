/** What a request asks for as one SHA-256, taken while its body passes by: two requests with the same one ask for the same. */
import { createHash } from 'node:crypto';
import type { BodyFormat } from './body.js';

export class Fingerprint {
  private readonly hash = createHash('sha256');

  /** @param query every parameter that bears on the result */
  constructor(format: BodyFormat, query: Readonly<Record<string, string | number | undefined>>) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    given.sort(([a], [b]) => (a < b ? -1 : 1));
    // JSON has no bare line feed, so that the head ends where the body begins, whatever the body is.
    this.hash.update(`${JSON.stringify([format, given])}\n`);
  }

  /** The body's bytes after inflating: gzip of the same rows is not always the same bytes. */
  update(piece: Uint8Array): void {
    this.hash.update(piece);
  }

  /** In hex. Nothing may be added afterwards. */
  digest(): string {
    return this.hash.digest('hex');
  }
}
