/** `npm run model -- check <folder>` and `-- init <file.onnx>`: what a data team asks before a model is served. */
import { resolve } from 'node:path';
import { check } from './check.js';
import { init } from './init.js';

const USAGE = `Usage:
  npm run model -- check <folder>     try a version, a model, or all of models/ as a worker would: say what a row and a
                                      prediction are, run the samples, measure rows/s, recommend a micro-batch
  npm run model -- init <file.onnx>   write a model.json to start from, beside the file
`;

// ONNX Runtime reports its use to its makers unless told not to.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
const [command, path, ...rest] = process.argv.slice(2);

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function run(): Promise<number> {
  if (path === undefined || rest.length > 0) return usage();
  // npm runs a script in the project's folder, whoever called it from wherever.
  const target = resolve(process.env.INIT_CWD ?? '.', path);
  switch (command) {
    case 'check':
      return check(target, write);
    case 'init':
      return init(target, write);
    default:
      return usage();
  }
}

function usage(): number {
  process.stderr.write(USAGE);
  return 2;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
