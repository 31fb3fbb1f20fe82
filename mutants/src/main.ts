/** `npm run mutants`: plants each fault of the list in a copy of the project, and says whether the tests catch it. */
import { fileURLToPath } from 'node:url';
import { MUTANTS, type Mutant } from './list.js';
import { Workspace } from './workspace.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const wanted = process.argv[2];

const mutants = MUTANTS.filter(({ name }) => wanted === undefined || name.includes(wanted));
const workspace = new Workspace(ROOT);
try {
  workspace.build();
  const files = [...new Set(mutants.flatMap(({ caughtBy }) => caughtBy))];
  if (!workspace.test(files)) throw new Error('without a fault, the tests do not pass');
  const survivors = mutants.filter((mutant) => !isCaught(mutant));
  process.stdout.write(`${mutants.length} faults, ${survivors.length} not caught\n`);
  process.exitCode = survivors.length === 0 && mutants.length > 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  workspace.remove();
}

function isCaught(mutant: Mutant): boolean {
  const takeOut = workspace.plant(mutant);
  try {
    workspace.build();
    const isFound = !workspace.test(mutant.caughtBy);
    process.stdout.write(`${isFound ? 'caught    ' : 'NOT CAUGHT'} ${mutant.name}\n`);
    return isFound;
  } finally {
    takeOut();
  }
}
