/** Model only: the models of the Python peers without their services, so that no platform is credited with its library's share. */
import { PythonModel } from '../floor/python-model.js';
import { measureRun } from '../measure.js';
import type { Peer } from '../peers/peer.js';
import { type Expected, PredictionCheck } from '../prediction-check.js';
import { countRows, type NumberRows } from '../workloads/rows.js';
import { type ScenarioContext, THREADS, type Variant } from './scenario.js';

/** The recipe's own; what it makes of the rows is a reference, beside the recipe. */
const SCIKIT_LEARN = 'scikit-learn, model only';
const ONNXRUNTIME = 'onnxruntime (Python), model only';

export interface ModelOnly {
  variants: readonly Variant[];
  /** Names of those that others are compared with. */
  references: readonly string[];
}

/** Nothing where the recipe is not among the peers. @param rows of iris @throws Error when a model does not start */
export async function openModelOnly(
  context: ScenarioContext,
  peers: readonly Peer[],
  rows: NumberRows,
  expected: Expected,
): Promise<ModelOnly> {
  if (peers.every(({ name }) => name !== 'recipe')) return { variants: [], references: [] };
  const open = async (name: string, library: 'scikit-learn' | 'onnxruntime') => {
    const { directory, signal, cleanup } = context;
    const model = await PythonModel.start({ library, rows, processes: THREADS, directory, signal });
    cleanup.add(() => model.stop());
    return variantOf(name, model, countRows(rows), expected);
  };
  const variants = [await open(SCIKIT_LEARN, 'scikit-learn'), await open(ONNXRUNTIME, 'onnxruntime')];
  return { variants, references: [SCIKIT_LEARN] };
}

function variantOf(name: string, model: PythonModel, rows: number, expected: Expected): Variant {
  const checkLabels = async () => {
    const check = new PredictionCheck(expected, rows);
    for (const label of await model.labels()) check.take(label);
    check.end();
  };
  const work = async () => {
    await model.run();
    return { check: checkLabels };
  };
  return { name, run: async () => ({ [name]: await measureRun(model, { rows }, work) }) };
}
