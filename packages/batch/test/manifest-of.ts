import { completeManifest } from '@millrace/batch/manifest/complete';
import type { ElementType } from '@millrace/batch/manifest/element-types';
import { type Feature, shapeOf } from '@millrace/batch/manifest/feature';
import type { Graph } from '@millrace/batch/manifest/graph';
import { type Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';

/** What completes a model.json; throws when either refuses it. */
export function complete(file: object, graph: Graph): Manifest {
  return completeManifest(ManifestFile.parse(file), graph);
}

const OUTPUTS: Graph['outputs'] = [{ name: 'label', type: 'int64', shape: [null] }];

/** A feature as model.json spells it. */
export type FeatureFile = { name: string; type: Feature['type'] } & Record<string, unknown>;

/** A manifest with these features, all in one tensor of float32; a bare name is a `float` without bounds. */
export function manifestOf(...features: (string | FeatureFile)[]): Manifest {
  return tensorOf('float32', ...features);
}

/** The same with a tensor of another type. */
export function tensorOf(type: ElementType, ...features: (string | FeatureFile)[]): Manifest {
  const file = {
    features: features.map((each) => (typeof each === 'string' ? { name: each, type: 'float' } : each)),
  };
  const [only, ...others] = ManifestFile.parse(file).features ?? [];
  // Sizes that are open can only be read into a tensor of their own.
  const inner =
    only !== undefined && others.length === 0 && shapeOf(only).length > 0 ? shapeOf(only) : [null];
  return complete(file, { inputs: [{ name: 'input', type, shape: [null, ...inner] }], outputs: OUTPUTS });
}
