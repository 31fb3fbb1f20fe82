/**
 * Task ids that carry when they were made, and proof that it was here: a UUID (version 8, RFC 9562) of 48 bits of time,
 * 42 random bits, and 32 bits of an HMAC over both and the client. So an id of which Redis holds nothing any more is told
 * from one that never was.
 */
import { createHmac, randomUUID } from 'node:crypto';

const TIME_BYTES = 6;
const SIGNED_BYTES = 12;
/** What a task id looks like. */
export const TASK_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class TaskIds {
  /** @param secret the same for all API processes; ids that were signed with another one are unknown */
  constructor(
    private readonly secret: string,
    private readonly now: () => number = Date.now,
  ) {}

  /** A new id for a task of this client. */
  create(client: string): string {
    // Node keeps random bytes in store for these, and for nothing else: a call of the system for each id costs more than the id.
    const bytes = bytesOf(randomUUID()).subarray(0, SIGNED_BYTES);
    bytes.writeUIntBE(this.now(), 0, TIME_BYTES);
    bytes.writeUInt8(0x80 | (bytes.readUInt8(6) & 0x0f), 6);
    bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
    return uuidOf(Buffer.concat([bytes, this.signature(bytes, client)]));
  }

  /** When the id was made for this client, in milliseconds since the epoch; undefined when it was not made here, or for another. */
  createdAt(id: string, client: string): number | undefined {
    if (!TASK_ID.test(id)) return undefined;
    const bytes = bytesOf(id);
    const signed = bytes.subarray(0, SIGNED_BYTES);
    if (!this.signature(signed, client).equals(bytes.subarray(SIGNED_BYTES))) return undefined;
    return bytes.readUIntBE(0, TIME_BYTES);
  }

  private signature(bytes: Uint8Array, client: string): Buffer {
    const digest = createHmac('sha256', this.secret).update(bytes).update(client).digest();
    return digest.subarray(0, 16 - SIGNED_BYTES);
  }
}

function bytesOf(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function uuidOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
