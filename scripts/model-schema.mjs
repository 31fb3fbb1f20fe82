/**
 * Writes models/model.schema.json, by which editors check and complete model.json; with --print it only prints it.
 * Plain JavaScript, run by hand after a change of `ManifestFile`: npm run build && node scripts/model-schema.mjs
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ManifestFile } from '../packages/batch/dist/manifest/manifest.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PATH = join('models', 'model.schema.json');

const { $schema, ...schema } = z.toJSONSchema(ManifestFile, { io: 'input', target: 'draft-2020-12' });
const described = {
  $schema,
  title: 'Millrace model.json',
  description:
    'The manifest of a model version: what a row must look like and what a prediction looks like. Whatever the graph says by itself can be left out.',
  ...schema,
};
const text = format(JSON.stringify(described));
if (process.argv.includes('--print')) process.stdout.write(text);
else writeFileSync(join(ROOT, PATH), text);

/** As the lint asks of every JSON file. */
function format(json) {
  const biome = join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [biome, 'format', `--stdin-file-path=${PATH}`],
    { cwd: ROOT, input: json, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`the schema could not be formatted: ${stderr}`);
  return stdout;
}
