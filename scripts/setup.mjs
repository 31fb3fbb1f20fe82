/**
 * Brings a fresh clone to where it can run: installs what package-lock.json names, and builds what runs. Does only what is
 * missing.
 * Plain JavaScript without imports from npm, since nothing is installed yet when it runs.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const [MAJOR, MINOR] = process.versions.node.split('.').map(Number);
const INSTALLED = join(ROOT, 'node_modules', '.millrace-lock.json');

if (MAJOR < 20 || (MAJOR === 20 && MINOR < 19)) {
  fail(`Millrace needs Node 20.19 or later; this is ${process.versions.node}.`);
}

const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
if (!existsSync(INSTALLED) || readFileSync(INSTALLED, 'utf8') !== lock) {
  process.stderr.write('Installing the dependencies …\n');
  // The npm that runs this script, whatever the PATH holds.
  const npm = process.env.npm_execpath;
  if (npm === undefined) run('npm', ['ci', '--include=dev']);
  else run(process.execPath, [npm, 'ci', '--include=dev']);
  writeFileSync(INSTALLED, lock);
}
const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
run(process.execPath, [tsc, '--build', 'apps/api', 'apps/scheduler', 'apps/worker', 'packages/local']);

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (error !== undefined) fail(`${command} cannot be run: ${error.message}`);
  if (status !== 0) fail(`"${command} ${args.join(' ')}" failed.`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
