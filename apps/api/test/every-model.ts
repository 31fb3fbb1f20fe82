/** Models with every type of feature, and every way to print. */
import { completeManifest } from '@millrace/batch/manifest/complete';
import { ELEMENT_TYPE_NAMES, ELEMENT_TYPES, type ElementType } from '@millrace/batch/manifest/element-types';
import { exampleRows } from '@millrace/batch/manifest/example';
import type { Feature } from '@millrace/batch/manifest/feature';
import { type Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import type { ModelDescriptor } from '@millrace/batch/model';
import { irisDescriptor } from '../../../test/fixtures/iris.js';

export const IRIS = irisDescriptor(0.025);

function modelOf(name: string, version: number, manifest: Manifest): ModelDescriptor {
  return { ...IRIS, name, version, manifest, example: exampleRows(manifest)[0] };
}

/** A model for every element type, with every kind of feature that it can hold. */
function modelOfType(type: ElementType): ModelDescriptor {
  const { kind } = ELEMENT_TYPES[type];
  const element = kind === 'bigint' ? 'int' : kind;
  const about = { description: 'What it is, with "quotes".', unit: 'm/s' };
  const features: Feature[] = [
    { name: 'single', type: element, ...about } as Feature,
    { name: 'list', type: 'vector', length: 3, element },
    { name: 'open', type: 'tensor', shape: [null, 2], element },
    { name: 'names', type: 'category', values: ['a', 'b,"'], default: 'a' },
    {
      name: 'absent/~{}',
      type: element,
      default: { float: 'NaN', int: 1, bool: true, string: '' }[element],
    } as Feature,
  ].filter((feature) => feature.type !== 'category' || kind !== 'bool') as Feature[];
  const inputs = features.map((feature) => {
    const shape = feature.type === 'vector' ? [3] : feature.type === 'tensor' ? [null, 2] : [];
    return { name: feature.name, type, shape: [null, ...shape] };
  });
  const outputs = [{ name: 'out', type, shape: [null] }];
  return modelOf(`type-${type}`, 1, completeManifest(ManifestFile.parse({ features }), { inputs, outputs }));
}

/** Models that print in every way that there is. */
function printingModels(): ModelDescriptor[] {
  const whole = { type: 'int64' as const, shape: [null] };
  const vector = { type: 'float32' as const, shape: [null, 2] };
  const classes = ['no', 'yes'];
  const many = Array.from({ length: 1000 }, (_, at) => `class ${at}`);
  const cases = [
    { tensor: whole, classes },
    { tensor: whole, classes: many },
    { tensor: whole, int64: 'string' },
    { tensor: whole, int64: 'number' },
    { tensor: vector, classes },
    { tensor: vector, classes, top_k: 1 },
    { tensor: vector, top_k: 2, non_finite: 'string' },
    { tensor: { ...vector, shape: [null, null] }, classes, decimals: 2 },
    { tensor: { ...vector, shape: [null, null, 3] }, description: 'A matrix.' },
    { tensor: { type: 'string' as const, shape: [null, 2, 2] } },
  ];
  return cases.map(({ tensor, ...printing }, at) => {
    const outputs = [
      { name: 'a', ...tensor },
      { name: 'b', ...whole },
    ];
    const file = { outputs: [{ name: 'a', ...printing }, { name: 'b' }], default_outputs: ['b', 'a'] };
    const graph = { inputs: [{ name: 'x', type: 'float32' as const, shape: [null] }], outputs };
    const shown = at % 2 === 0 ? file : { outputs: file.outputs };
    return modelOf('printing.v1', at + 1, completeManifest(ManifestFile.parse(shown), graph));
  });
}

/** With iris, and a second version of it. */
export const ALL = [
  IRIS,
  { ...IRIS, version: 2 },
  ...ELEMENT_TYPE_NAMES.map(modelOfType),
  ...printingModels(),
];
