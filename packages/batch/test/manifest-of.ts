import { Manifest } from '@millrace/batch/manifest';

/** A manifest with these features; a bare name is a `float` without bounds. */
export function manifestOf(...features: (string | Manifest['features'][number])[]): Manifest {
  return Manifest.parse({
    input: { name: 'input' },
    features: features.map((each) => (typeof each === 'string' ? { name: each, type: 'float' } : each)),
    outputs: [{ name: 'label', type: 'int64' }],
    primary: 'label',
  });
}
