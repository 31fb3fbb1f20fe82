/** Proves every version of the model directory and says which ones this worker serves. */
import { type ModelDescriptor, modelKey } from '@millrace/batch/model';
import type { InferencePool } from '../inference/pool.js';
import type { ModelFiles } from './model-directory.js';

export interface ServedModels {
  served: ModelDescriptor[];
  refused: { version: string; reason: string }[];
}

/** One failing version never takes down the others. */
export async function proveModels(
  versions: readonly ModelFiles[],
  pool: InferencePool,
): Promise<ServedModels> {
  const models: ServedModels = { served: [], refused: [] };
  for (const { name, version, manifest, digest, samples } of versions) {
    try {
      const { secondsPerRow } = await pool.prove({ model: modelKey({ name, version }) });
      const example = samples?.samples[0]?.row ?? exampleRow(manifest);
      models.served.push({ name, version, manifest, digest, seconds_per_row: secondsPerRow, example });
    } catch (error) {
      models.refused.push({ version: `${name}/${version}`, reason: (error as Error).message });
    }
  }
  return models;
}

/** A row within the bounds of every feature. */
function exampleRow(manifest: ModelFiles['manifest']): Record<string, number> {
  return Object.fromEntries(
    manifest.features.map(({ name, min, max }) => [name, min ?? Math.min(0, max ?? 0)]),
  );
}
