/** Writes a model.json to start from: all that the graph says by itself, to be given names and bounds. */
import { access, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { Manifest, ManifestFile } from '@millrace/batch/manifest/manifest';
import { MODEL_VERSION } from '@millrace/batch/model';
import { prove } from '../inference/prove.js';
import { readVersionFiles } from '../models/version-files.js';

/** @returns the exit code @throws Error when the file cannot be served, or there is a model.json already */
export async function init(path: string, write: (line: string) => void): Promise<number> {
  if (!/\.onnx$/i.test(path)) throw new Error(`${path} is no .onnx file`);
  const target = join(dirname(path), 'model.json');
  const isThere = await access(target).then(
    () => true,
    () => false,
  );
  if (isThere) throw new Error(`${target} is there already; remove it first`);
  await readVersionFiles({ path }).catch((error: Error) => {
    throw new Error(`${path} cannot be served: ${error.message}`);
  });
  const { manifest } = await prove({ path, file: {} });
  const schema = join(dirname(path), '../../model.schema.json');
  const hasSchema = await access(schema).then(
    () => true,
    () => false,
  );
  const file: ManifestFile = {
    ...(hasSchema ? { $schema: '../../model.schema.json' } : {}),
    description: '',
    ...draftOf(manifest),
  };
  await writeFile(target, `${JSON.stringify(file, null, 2)}\n`, { flag: 'wx' });
  write(`${relative(process.cwd(), target)} is written. Now`);
  write('- say in "description" what the model predicts;');
  for (const { name, type } of manifest.features) {
    if (type === 'vector')
      write(`- "${name}" is one vector; to name its values, list them as features instead;`);
  }
  write('- give features their bounds ("min", "max"), "unit", "default"; outputs their "classes";');
  write('- put rows with known answers into samples.json, beside it;');
  const folder = basename(dirname(path));
  if (!MODEL_VERSION.test(folder)) write('- put the files into models/<name>/1/;');
  write(`- run npm run model -- check ${relative(process.cwd(), dirname(path)) || '.'}`);
  return 0;
}

/** What the graph says by itself is left out, but for what somebody will want to change. */
function draftOf({ features, inputs, outputs, primary }: Manifest): Partial<ManifestFile> {
  const isObvious =
    inputs.length === 1 || inputs.every(({ name, features: packed }) => packed.join() === name);
  return {
    features,
    ...(isObvious
      ? {}
      : { inputs: inputs.map(({ name, features: packed }) => ({ name, features: packed })) }),
    outputs: outputs.map(({ name }) => ({ name, description: '' })),
    primary,
  };
}
