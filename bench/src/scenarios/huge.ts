/** Huge: a gigabyte in one request. The driver makes it while it sends it, and checks the result while it reads it, row by row as they are finished. */
import { measureRun } from '../measure.js';
import { PredictionCheck } from '../prediction-check.js';
import { checkNdjson } from '../result-reader.js';
import { irisWorkload } from '../workloads/iris.js';
import { ndjsonPieces } from '../workloads/rows.js';
import { openFloor } from './floor-variant.js';
import type { OpenScenario, ScenarioContext } from './scenario.js';
import { startMillrace } from './start-millrace.js';

/** For a million rows of bulk. */
const BYTES = 1_000_000_000;
const BULK_ROWS = 1_000_000;
/** Rows that are sent again and again. */
const BLOCK_ROWS = 100_000;

export async function huge(context: ScenarioContext): Promise<OpenScenario> {
  const bytes = (BYTES * context.options.rows) / BULK_ROWS;
  const blockRows = Math.min(BLOCK_ROWS, context.options.rows);
  const workload = irisWorkload(blockRows);
  const { expected } = await openFloor(context, workload);
  const millrace = await startMillrace(context, workload);
  const block = ndjsonPieces(workload.rows);
  const blocks = Math.ceil(bytes / block.reduce((sum, { length }) => sum + length, 0));
  const rows = blocks * blockRows;
  const run = () =>
    measureRun(millrace, { rows, curve: true }, async () => {
      const startedAt = performance.now();
      const id = await millrace.submit('ndjson', repeated(block, blocks));
      const acceptedAt = performance.now();
      const result = await millrace.follow(id, 'ndjson');
      await checkNdjson(result, new PredictionCheck(expected, rows));
      return {
        phases_seconds: {
          upload: (acceptedAt - startedAt) / 1000,
          result: (performance.now() - acceptedAt) / 1000,
        },
        stepSeconds: () => millrace.stepSeconds(id),
        check: () => {},
      };
    });
  const name = 'millrace, NDJSON';
  return {
    unit: 'rows/s',
    variants: [{ name, run: async () => ({ [name]: await run() }) }],
    references: [],
    described: [millrace],
    // What memory does in one run is the whole answer; a run before it would hide how it grows.
    warmUp: async () => {},
    runs: 1,
  };
}

function* repeated(pieces: readonly Buffer[], times: number): Generator<Buffer> {
  for (let time = 0; time < times; time++) yield* pieces;
}
