/** Runs that consist of JSON requests, which the platform and its peers take alike. */
import { type Done, latenciesOf } from '../measure.js';
import type { Delivery, Peer } from '../peers/peer.js';
import { type Expected, PredictionCheck } from '../prediction-check.js';
import { jsonBody, type Rows } from '../workloads/rows.js';

/** Requests of so many rows each, ready to be sent. */
export interface Requests {
  bodies: readonly Uint8Array[];
  rowsEach: number;
  rows: number;
}

/** The first rows in requests of so many rows; the last one may have fewer. */
export function requestsOf(rows: Rows, count: number, rowsEach: number): Requests {
  const bodies: Uint8Array[] = [];
  for (let from = 0; from < count; from += rowsEach) {
    bodies.push(jsonBody(rows, from, Math.min(from + rowsEach, count)));
  }
  return { bodies, rowsEach, rows: count };
}

/** Sends them by so many clients, each its next one when it has the result of its last. */
export async function sendAll(
  peer: Peer,
  { bodies, rowsEach, rows }: Requests,
  clients: number,
  expected: Expected,
): Promise<Done> {
  const deliveries: Delivery[] = [];
  const ms = new Float64Array(bodies.length);
  let next = 0;
  const client = async () => {
    for (let at = next++; at < bodies.length; at = next++) {
      const startedAt = performance.now();
      deliveries[at] = await peer.predict(bodies[at] as Uint8Array);
      ms[at] = performance.now() - startedAt;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const check = async () => {
    for (const [at, delivery] of deliveries.entries()) {
      const first = at * rowsEach;
      await delivery.check(new PredictionCheck(expected, Math.min(rowsEach, rows - first), first));
    }
  };
  const polls = deliveries.reduce((sum, delivery) => sum + (delivery.polls ?? 0), 0);
  return { latency_ms: latenciesOf(ms), ...(polls === 0 ? {} : { polls }), check };
}
