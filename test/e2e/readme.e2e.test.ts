import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { npmStart, ROOT, type Started, shell } from '../fixtures/npm-start.js';

interface Example {
  command: string;
  printed: string;
}

const PAGES = ['README.md', 'docs/models.md', 'docs/schedules.md']
  .map((page) => readFileSync(join(ROOT, page), 'utf8'))
  .join('\n');
const EXAMPLES = [...PAGES.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
  readExamples(block),
);
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

const folder = mkdtempSync(join(tmpdir(), 'millrace-readme-'));
let platform: Started;
/** The ids of this run for those in the README. */
const ids = new Map<string, string>();

beforeAll(async () => {
  platform = await npmStart(join(folder, 'data'));
  await platform.ready;
});
afterAll(async () => {
  await platform.stop();
  rmSync(folder, { recursive: true });
});

it('has examples', () => expect(EXAMPLES.length).toBeGreaterThan(5));

it.each(EXAMPLES)('$command prints what the README says', async ({ command, printed }) => {
  const here = command
    .replaceAll('localhost:3000', `127.0.0.1:${platform.port}`)
    .replace(UUID, (id) => ids.get(id) ?? id);
  // What is about files of the project is run where they are.
  const output = await shell(here, here.startsWith('npm run') ? ROOT : folder, {
    PORT: String(platform.port),
  });
  const [written] = printed.match(UUID) ?? [];
  const [found] = output.match(UUID) ?? [];
  if (written !== undefined && found !== undefined) ids.set(written, found);
  expect(normalise(output)).toMatch(pattern(normalise(printed)));
});

/** A command goes from `$ ` to the first line that is neither continued nor inside quotes or a here-document. */
function readExamples(block: string): Example[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const lines = text.split('\n');
      let end = 1;
      while (!isComplete(lines.slice(0, end).join('\n'))) end++;
      return { command: lines.slice(0, end).join('\n'), printed: lines.slice(end).join('\n') };
    });
}

function isComplete(command: string): boolean {
  const heredoc = /<<'(\w+)'/.exec(command)?.[1];
  if (heredoc !== undefined) return command.endsWith(`\n${heredoc}`);
  return !command.endsWith('\\') && command.split("'").length % 2 === 1;
}

/** Ids and times differ from run to run. */
function normalise(text: string): string {
  return text
    .replace(UUID, '<id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll('\r\n', '\n')
    .trimEnd();
}

/** `…` stands for anything. A task or a run that was just asked for may be anywhere between that and its end. */
function pattern(text: string): RegExp {
  const literal = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const anyStatus = literal.replace(/"status":"(pending|waiting)"/, '"status":"[a-z_]+"');
  return new RegExp(`^${anyStatus.replaceAll('…', '.*')}$`);
}
