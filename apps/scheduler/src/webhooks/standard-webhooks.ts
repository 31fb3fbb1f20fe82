/** Signs messages by the Standard Webhooks specification, version 1: HMAC-SHA256 over id, time and body. */
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

/** What the specification allows. */
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

/**
 * The key that a secret spells.
 * @param secret base64, of 24 to 64 bytes, behind `whsec_`
 * @throws Error that says what is wrong and not what the secret is
 */
export function secretKey(secret: string): Buffer {
  const text = secret.slice(PREFIX.length);
  if (!secret.startsWith(PREFIX) || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    throw new Error(`a webhook's secret is ${PREFIX} and base64`);
  }
  const key = Buffer.from(text, 'base64');
  if (key.length < SECRET_BYTES_MIN || key.length > SECRET_BYTES_MAX) {
    const range = `${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX}`;
    throw new Error(`a webhook's secret is base64 of ${range} bytes, not of ${key.length}`);
  }
  return key;
}

export interface SignedHeaders {
  'webhook-id': string;
  'webhook-timestamp': string;
  'webhook-signature': string;
}

/**
 * The headers of one attempt at a message.
 * @param id the same for every attempt, by which the receiver knows what it has had
 * @param now milliseconds since 1970, of the attempt
 */
export function sign(key: Buffer, id: string, now: number, body: Uint8Array): SignedHeaders {
  const seconds = String(Math.floor(now / 1000));
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signature}` };
}
