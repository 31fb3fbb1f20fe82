/** A request as it is to be made, and how to make it again by hand. */
import type { Operation } from './document.js';

/**
 * `whole`: as clients do. `pieces`: chunked, bit by bit. `chopped`: the client goes away in the middle. `silent`: it stops
 * sending and waits. `hasty`: it goes away without reading the answer.
 */
export type Delivery = 'whole' | 'pieces' | 'chopped' | 'silent' | 'hasty';

export interface Call {
  /** Its place in the run; with the seed, it decides everything but the ids of tasks. */
  index: number;
  /** What it was made from; method and path may have been spoilt since. */
  operation: Operation;
  method: string;
  /** With the query. */
  path: string;
  headers: Record<string, string>;
  body?: Buffer;
  delivery: Delivery;
  /** Rows that must be taken; only for a request without any fault. */
  rows?: number;
}

/** Where `npm start` serves; it takes any key. */
const URL = 'http://127.0.0.1:3000';

/**
 * A shell command that sends the same; a delivery that curl cannot is said behind it.
 * @param file holds the body
 */
export function asCurl(file: string, { method, path, headers, body, delivery }: Call): string {
  const parts = ['curl', '-i', '--path-as-is', '-X', method];
  for (const [name, value] of Object.entries(headers)) parts.push('-H', quoted(`${name}: ${value}`));
  if (body !== undefined) parts.push('--data-binary', `@${file}`);
  parts.push(quoted(URL + path));
  return `${parts.join(' ')}${delivery === 'whole' ? '' : `   # delivered: ${delivery}`}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
