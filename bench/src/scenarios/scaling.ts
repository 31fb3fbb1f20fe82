/** Scaling: two workers of one thread against one of one thread, on a model that asks for most of the work. */

import { perceptronWorkload } from '../workloads/perceptron.js';
import { countRows, ndjsonPieces } from '../workloads/rows.js';
import { openFloor } from './floor-variant.js';
import { HEAVY_SHARE } from './one-model.js';
import type { OpenScenario, ScenarioContext } from './scenario.js';
import { startMillrace } from './start-millrace.js';
import { streamVariant } from './stream.js';

const ONE = 'one worker';
const TWO = 'two workers';

export async function scaling(context: ScenarioContext): Promise<OpenScenario> {
  const workload = perceptronWorkload(Math.ceil(context.options.rows / HEAVY_SHARE), context.directory);
  const { expected } = await openFloor(context, workload);
  const one = await startMillrace(context, workload, { workers: 1, threads: 1 }, ONE);
  const two = await startMillrace(context, workload, { workers: 2, threads: 1 }, TWO);
  const pieces = ndjsonPieces(workload.rows);
  const rows = countRows(workload.rows);
  return {
    unit: 'rows/s',
    variants: [one, two].map((peer) => streamVariant(peer.name, peer, 'ndjson', pieces, rows, expected)),
    references: [ONE],
    described: [one, two],
  };
}
