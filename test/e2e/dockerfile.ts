/** Reads a Dockerfile into its stages. What this project's Dockerfiles do not use is refused, so that nothing is passed over. */

export type Instruction =
  | { kind: 'workdir'; path: string }
  /** `from` is an earlier stage; undefined for the build context. */
  | { kind: 'copy'; from: string | undefined; sources: string[]; target: string }
  | { kind: 'run'; command: string }
  | { kind: 'env'; values: Record<string, string> }
  | { kind: 'user'; user: string }
  | { kind: 'expose'; port: number }
  | { kind: 'healthcheck'; command: string[] }
  | { kind: 'cmd'; command: string[] };

export interface Stage {
  /** Its `AS` name, or its number. */
  name: string;
  /** An image, or the name of an earlier stage. */
  base: string;
  instructions: Instruction[];
}

/** @throws Error that quotes the line that is not understood */
export function parseDockerfile(text: string): Stage[] {
  const stages: Stage[] = [];
  for (const line of logicalLines(text)) {
    const [, word = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    if (word === 'FROM') {
      stages.push(parseFrom(rest, String(stages.length)));
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw notUnderstood(line);
    stage.instructions.push(parseInstruction(word, rest, line));
  }
  return stages;
}

/** Without comments, which may also stand between continued lines, and with continued lines joined. */
function logicalLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  return lines
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n');
}

function parseFrom(rest: string, number: string): Stage {
  const [, base, name] = /^([^\s$-]\S*)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? [];
  if (base === undefined) throw notUnderstood(`FROM ${rest}`);
  return { name: name ?? number, base, instructions: [] };
}

function parseInstruction(word: string, rest: string, line: string): Instruction {
  switch (word) {
    case 'WORKDIR':
      return { kind: 'workdir', path: rest };
    case 'COPY':
      return parseCopy(rest, line);
    case 'RUN':
      // Flags and the exec form would be run differently; an absolute path would leave the folder of the stage.
      if (/^(--|\[)/.test(rest) || /(^|[\s'"=])\/\w/.test(rest)) throw notUnderstood(line);
      return { kind: 'run', command: rest };
    case 'ENV':
      return { kind: 'env', values: parseEnv(rest, line) };
    case 'USER':
      return { kind: 'user', user: rest };
    case 'EXPOSE':
      if (!/^\d+$/.test(rest)) throw notUnderstood(line);
      return { kind: 'expose', port: Number(rest) };
    case 'HEALTHCHECK': {
      const [, command] =
        /^(?:--(?:interval|timeout|start-period|retries)=\S+\s+)*CMD\s+(\[.*)$/.exec(rest) ?? [];
      return { kind: 'healthcheck', command: execForm(command, line) };
    }
    case 'CMD':
      return { kind: 'cmd', command: execForm(rest, line) };
    default:
      throw notUnderstood(line);
  }
}

function parseCopy(rest: string, line: string): Instruction {
  const words = rest.split(/\s+/);
  const flags = words.filter((word) => word.startsWith('--'));
  const paths = words.filter((word) => !word.startsWith('--'));
  const target = paths.pop();
  let from: string | undefined;
  for (const flag of flags) {
    const [, name, value] = /^--(from|chown)=(\S+)$/.exec(flag) ?? [];
    if (name === undefined) throw notUnderstood(line);
    // The owner of files is of no account here, where every stage is performed by one user.
    if (name === 'from') from = value;
  }
  if (target === undefined || paths.length === 0) throw notUnderstood(line);
  if (paths.length > 1 && !target.endsWith('/')) throw notUnderstood(line);
  if (/[*?[\]{}$"']/.test(paths.join(' '))) throw notUnderstood(line);
  return { kind: 'copy', from, sources: paths, target };
}

function parseEnv(rest: string, line: string): Record<string, string> {
  const pairs = rest.split(/\s+/).map((pair) => /^([A-Z_]+)=([^$"'\\]*)$/.exec(pair));
  return Object.fromEntries(
    pairs.map((pair) => {
      if (pair === null) throw notUnderstood(line);
      return [pair[1], pair[2]];
    }),
  );
}

/** @throws Error for the shell form, in which a shell would take the signals */
function execForm(json: string | undefined, line: string): string[] {
  if (json?.startsWith('[') !== true) throw notUnderstood(line);
  return JSON.parse(json) as string[];
}

function notUnderstood(line: string): Error {
  return new Error(`the test does not know how to carry out: ${line}`);
}
