/** A copy of the project to plant faults in, with the packages of the original. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Mutant } from './list.js';

/** Of one run of test files; a hang counts as caught. */
const TEST_MS = 300_000;
const OUR_SCOPE = '@millrace';

export class Workspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-mutants-'));

  /** @param root of the project, built */
  constructor(root: string) {
    const listed = run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], root);
    for (const file of listed.output.split('\n').filter((name) => name !== '')) {
      mkdirSync(dirname(join(this.directory, file)), { recursive: true });
      cpSync(join(root, file), join(this.directory, file));
    }
    this.linkPackages(root);
  }

  /** @throws Error with the compiler's words */
  build(): void {
    const { isOk, output } = run('node', [this.bin('typescript', 'tsc'), '--build'], this.directory);
    if (!isOk) throw new Error(`it does not compile:\n${output}`);
  }

  /** True when all tests of these files pass. */
  test(files: readonly string[]): boolean {
    return run('node', [this.bin('vitest', 'vitest.mjs'), 'run', ...files], this.directory).isOk;
  }

  /** Plants a fault; the answer takes it out again. @throws Error when there is no such place */
  plant({ file, from, to }: Mutant): () => void {
    const path = join(this.directory, file);
    const text = readFileSync(path, 'utf8');
    const places = text.split(from).length - 1;
    if (places !== 1) throw new Error(`${file} has ${places} places for it, not one`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
    return () => writeFileSync(path, text);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  /** Its own packages are those of the copy. */
  private linkPackages(root: string): void {
    const modules = join(this.directory, 'node_modules');
    mkdirSync(join(modules, OUR_SCOPE), { recursive: true });
    for (const name of readdirSync(join(root, 'node_modules'))) {
      if (name !== OUR_SCOPE) symlinkSync(join(root, 'node_modules', name), join(modules, name));
    }
    for (const folder of ['packages', 'apps']) {
      for (const name of readdirSync(join(this.directory, folder))) {
        symlinkSync(join(this.directory, folder, name), join(modules, OUR_SCOPE, name));
        const own = join(folder, name, 'node_modules');
        if (existsSync(join(root, own))) symlinkSync(join(root, own), join(this.directory, own));
      }
    }
  }

  private bin(name: string, file: string): string {
    return name === 'vitest'
      ? join(this.directory, 'node_modules', name, file)
      : join(this.directory, 'node_modules', name, 'bin', file);
  }
}

function run(program: string, args: readonly string[], cwd: string): { isOk: boolean; output: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    timeout: TEST_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { isOk: status === 0 && error === undefined, output: stdout + stderr };
}
