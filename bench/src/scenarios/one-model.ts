/** Heavy and text: models beside which everything else should be little, in one request of NDJSON. */

import { perceptronWorkload } from '../workloads/perceptron.js';
import { countRows, ndjsonPieces } from '../workloads/rows.js';
import { sentimentWorkload } from '../workloads/sentiment.js';
import type { Workload } from '../workloads/workload.js';
import { FLOOR_REFERENCES, openFloor } from './floor-variant.js';
import type { OpenScenario, ScenarioContext } from './scenario.js';
import { startMillrace } from './start-millrace.js';
import { streamVariant } from './stream.js';

/** One of their rows for so many of bulk: enough of them that a run is dozens of chunks, of which the last ends alone. */
export const HEAVY_SHARE = 2.5;
const TEXT_SHARE = 8;

export function heavy(context: ScenarioContext): Promise<OpenScenario> {
  const rows = Math.ceil(context.options.rows / HEAVY_SHARE);
  return oneModel(context, perceptronWorkload(rows, context.directory));
}

export function text(context: ScenarioContext): Promise<OpenScenario> {
  return oneModel(context, sentimentWorkload(Math.ceil(context.options.rows / TEXT_SHARE)));
}

async function oneModel(context: ScenarioContext, workload: Workload): Promise<OpenScenario> {
  const { floor, variant, expected } = await openFloor(context, workload);
  const millrace = await startMillrace(context, workload);
  const rows = countRows(workload.rows);
  return {
    unit: 'rows/s',
    variants: [
      variant,
      streamVariant('millrace, NDJSON', millrace, 'ndjson', ndjsonPieces(workload.rows), rows, expected),
    ],
    references: FLOOR_REFERENCES,
    described: [floor, millrace],
  };
}
