/** Bulk: a million rows for a forest, as NDJSON, CSV and Arrow in one request and as JSON in many; the peers get the same rows. */
import { measureRun } from '../measure.js';
import type { Peer } from '../peers/peer.js';
import { arrowStream } from '../workloads/arrow.js';
import { irisWorkload } from '../workloads/iris.js';
import { csvPieces, type NumberRows, ndjsonPieces } from '../workloads/rows.js';
import { FLOOR_REFERENCES, openFloor } from './floor-variant.js';
import { openModelOnly } from './model-only.js';
import { type Requests, requestsOf, sendAll } from './requests.js';
import type { OpenScenario, ScenarioContext, Variant } from './scenario.js';
import { startMillrace } from './start-millrace.js';
import { streamVariant } from './stream.js';

const ROWS_PER_REQUEST = 10_000;
const CLIENTS = 4;
/** Between two looks of a client of a Python peer. */
const POLL_MS = 20;

export async function bulk(context: ScenarioContext): Promise<OpenScenario> {
  const { rows } = context.options;
  const workload = irisWorkload(rows);
  const numbers = workload.rows as NumberRows;
  const { floor, variant: floorVariant, expected } = await openFloor(context, workload);
  const millrace = await startMillrace(context, workload);
  const pythons = await context.startPythonPeers(POLL_MS);
  const modelOnly = await openModelOnly(context, pythons, numbers, expected);
  const many = requestsOf(workload.rows, rows, ROWS_PER_REQUEST);
  const requestVariant = (name: string, peer: Peer, requests: Requests): Variant => {
    const work = () => sendAll(peer, requests, CLIENTS, expected);
    return { name, run: async () => ({ [name]: await measureRun(peer, { rows }, work) }) };
  };
  const ofPythons = pythons.flatMap((peer) => [
    requestVariant(`${peer.name}, 10,000-row requests`, peer, many),
    requestVariant(`${peer.name}, one request`, peer, requestsOf(workload.rows, rows, rows)),
  ]);
  return {
    unit: 'rows/s',
    variants: [
      floorVariant,
      streamVariant('millrace, NDJSON', millrace, 'ndjson', ndjsonPieces(workload.rows), rows, expected),
      streamVariant('millrace, CSV', millrace, 'csv', csvPieces(numbers), rows, expected),
      streamVariant('millrace, Arrow', millrace, 'arrow', [arrowStream(numbers)], rows, expected),
      requestVariant('millrace, JSON, 10,000-row requests', millrace, many),
      ...ofPythons,
      ...modelOnly.variants,
    ],
    references: [...FLOOR_REFERENCES, ...modelOnly.references, ...ofPythons.map(({ name }) => name)],
    described: [floor, millrace, ...pythons],
  };
}
