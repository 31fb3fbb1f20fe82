/**
 * Writes the JSON Schemas by which editors check and complete files; with --print and the path of one it only prints it.
 * Plain JavaScript, run by hand after a change of `ManifestFile` or `ScheduleFile`: npm run build && node scripts/json-schemas.mjs
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ManifestFile } from '../packages/batch/dist/manifest/manifest.js';
import { ScheduleFile } from '../packages/schedule/dist/schedule.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FILES = {
  'models/model.schema.json': {
    of: ManifestFile,
    title: 'Millrace model.json',
    description:
      'The manifest of a model version: what a row must look like and what a prediction looks like. Whatever the graph says by itself can be left out.',
  },
  'schedules/schedule.schema.json': {
    of: ScheduleFile,
    title: 'Millrace schedule',
    description: 'Which model predicts which rows when, and where the results go.',
  },
};

const printed = process.argv[process.argv.indexOf('--print') + 1];
if (process.argv.includes('--print')) process.stdout.write(schemaText(printed));
else {
  for (const path of Object.keys(FILES)) {
    mkdirSync(join(ROOT, dirname(path)), { recursive: true });
    writeFileSync(join(ROOT, path), schemaText(path));
  }
}

function schemaText(path) {
  const { of, title, description } = FILES[path];
  const { $schema, ...schema } = z.toJSONSchema(of, { io: 'input', target: 'draft-2020-12' });
  return format(path, JSON.stringify({ $schema, title, description, ...schema }));
}

/** As the lint asks of every JSON file. */
function format(path, json) {
  const biome = join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [biome, 'format', `--stdin-file-path=${path}`],
    { cwd: ROOT, input: json, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`the schema could not be formatted: ${stderr}`);
  return stdout;
}
