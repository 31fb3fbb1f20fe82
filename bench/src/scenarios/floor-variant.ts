/** The floor as a variant, and what it says that every other one has to predict. */
import { BARE, Floor, type FloorSize, SERIAL } from '../floor/floor.js';
import type { Expected } from '../prediction-check.js';
import type { Workload } from '../workloads/workload.js';
import { type ScenarioContext, THREADS, type Variant } from './scenario.js';

/** The variants of the floor that others are compared with. */
export const FLOOR_REFERENCES: readonly string[] = [SERIAL, BARE];

export interface OpenFloor {
  floor: Floor;
  variant: Variant;
  expected: Expected;
}

/** @throws Error when ONNX Runtime refuses the model */
export async function openFloor(
  { cleanup }: ScenarioContext,
  workload: Workload,
  size: FloorSize = { threads: THREADS },
): Promise<OpenFloor> {
  const floor = await Floor.open(workload, size);
  cleanup.add(() => floor.close());
  const labels = await floor.labels();
  return {
    floor,
    variant: { name: 'floor', run: () => floor.run() },
    expected: { classes: workload.classes, labels },
  };
}
