/** Scaling: two workers of one thread against one of one thread, beside what the cores give bare ONNX Runtime, on a model that asks for most of the work. */
import type { Floor } from '../floor/floor.js';
import { perceptronWorkload } from '../workloads/perceptron.js';
import { countRows, ndjsonPieces } from '../workloads/rows.js';
import { openFloor } from './floor-variant.js';
import { HEAVY_SHARE } from './one-model.js';
import type { Described, OpenScenario, ScenarioContext, Variant } from './scenario.js';
import { startMillrace } from './start-millrace.js';
import { streamVariant } from './stream.js';

const ONE = 'one worker';
const TWO = 'two workers';
const BARE_ONE = 'bare ORT, one thread';
const BARE_TWO = 'bare ORT, two threads';

export async function scaling(context: ScenarioContext): Promise<OpenScenario> {
  const workload = perceptronWorkload(Math.ceil(context.options.rows / HEAVY_SHARE), context.directory);
  const bareOne = await openFloor(context, workload, { threads: 1 });
  const bareTwo = await openFloor(context, workload, { threads: 2 });
  const { expected } = bareOne;
  const one = await startMillrace(context, workload, { workers: 1, threads: 1 }, ONE);
  const two = await startMillrace(context, workload, { workers: 2, threads: 1 }, TWO);
  const pieces = ndjsonPieces(workload.rows);
  const rows = countRows(workload.rows);
  const workers = [one, two].map((peer) => streamVariant(peer.name, peer, 'ndjson', pieces, rows, expected));
  const bare = [bareVariant(BARE_ONE, bareOne.floor), bareVariant(BARE_TWO, bareTwo.floor)];
  return {
    unit: 'rows/s',
    variants: [...workers, ...bare],
    references: [ONE, BARE_ONE, BARE_TWO],
    described: [one, two, describe(BARE_ONE, bareOne.floor), describe(BARE_TWO, bareTwo.floor)],
    // The floors have run all rows already, for their labels.
    warmUp: async () => {
      for (const { run } of workers) await run();
    },
  };
}

function bareVariant(name: string, floor: Floor): Variant {
  return { name, run: async () => ({ [name]: await floor.infer() }) };
}

function describe(name: string, { versions, settings }: Floor): Described {
  return { name, versions, settings };
}
