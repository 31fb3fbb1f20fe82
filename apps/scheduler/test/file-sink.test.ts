/** Files as a sink: where they may be, what appears, and what others see of them meanwhile. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { toLine } from '@millrace/batch/results/read-chunk';
import { describe, expect, it, vi } from 'vitest';
import { AtomicFile, withoutFile } from '../dist/files/atomic-file.js';
import { type FileSink, writeFileSink } from '../dist/sinks/file.js';
import type { RunOutput, SinkContext } from '../dist/sinks/sink.js';
import { useFolder } from './folder.js';
import { contextOf, outputOf, resultRows } from './output.js';

const ROWS = resultRows(25);
const TEXT = ROWS.map(toLine).join('');

describe('a file sink', () => {
  const folder = useFolder();
  const inFolder = (name: string) => join(folder.path, 'data', name);
  const content = (name: string) => readFileSync(inFolder(name), 'utf8');

  interface Options {
    format?: FileSink['format'];
    attempt?: number;
    context?: Partial<SinkContext>;
    output?: RunOutput;
  }

  const write = (
    path: string,
    { format, attempt = 1, context = {}, output = outputOf(ROWS) }: Options = {},
  ) => {
    const deps = { folders: [join(folder.path, 'data')], attempt };
    const sink = { kind: 'file' as const, path: join(folder.path, path), format };
    return writeFileSink(sink, deps, output, contextOf(context));
  };

  it('writes the rows and a manifest that says what they are', async () => {
    const written = await write('data/out/2026-11-20.ndjson');
    const sha256 = createHash('sha256').update(TEXT).digest('hex');
    expect(content('out/2026-11-20.ndjson')).toBe(TEXT);
    expect(written).toEqual({
      location: inFolder('out/2026-11-20.ndjson'),
      rows: 25,
      bytes: Buffer.byteLength(TEXT),
      sha256,
    });
    const manifest = JSON.parse(content('out/2026-11-20.ndjson.manifest.json'));
    expect(manifest).toEqual({
      schedule: 'nightly',
      logical_date: '2026-11-20',
      task_id: 'task-1',
      model: 'recommender@1',
      format: 'ndjson',
      rows: {
        total: 25,
        succeeded: 23,
        invalid: 2,
        pending: 0,
        running: 0,
        failed: 0,
        cancelled: 0,
        expired: 0,
      },
      bytes: Buffer.byteLength(TEXT),
      sha256,
      written_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(readdirSync(inFolder('out')).sort()).toEqual([
      '2026-11-20.ndjson',
      '2026-11-20.ndjson.manifest.json',
    ]);
  });

  it('tells the format by the name, or is told it', async () => {
    await write('data/a.csv');
    expect(content('a.csv')).toMatch(/^row,id,prediction/);
    await write('data/b.out', { format: 'csv' });
    expect(content('b.out')).toMatch(/^row,id,prediction/);
    await expect(write('data/c.out')).rejects.toMatchObject({ code: 'sink_refused', isTransient: false });
    await expect(write('data/c.ndjson.gz', { format: 'ndjson' })).rejects.toThrow('plain NDJSON or CSV');
  });

  it.each([
    'a.ndjson',
    'data-2/a.ndjson',
    'data/../a.ndjson',
    'data/link/a.ndjson',
    'data/link/new/a.ndjson',
  ])('writes nothing to %s, without the allowed folders', async (path) => {
    mkdirSync(inFolder('..'), { recursive: true });
    mkdirSync(join(folder.path, 'elsewhere'));
    mkdirSync(inFolder(''));
    symlinkSync(join(folder.path, 'elsewhere'), inFolder('link'));
    await expect(write(path)).rejects.toMatchObject({ code: 'sink_not_allowed', isTransient: false });
    expect(readdirSync(join(folder.path, 'elsewhere'))).toEqual([]);
    expect(readdirSync(folder.path).sort()).toEqual(['data', 'elsewhere']);
  });

  it('replaces a link, and writes nothing behind it', async () => {
    const secret = folder.write('elsewhere/secret', 'kept');
    mkdirSync(inFolder(''));
    symlinkSync(secret, inFolder('a.ndjson'));
    await write('data/a.ndjson');
    expect(readFileSync(secret, 'utf8')).toBe('kept');
    expect(content('a.ndjson')).toBe(TEXT);
  });

  it('says what the system has against it', async () => {
    mkdirSync(inFolder('a.ndjson'), { recursive: true });
    await expect(write('data/a.ndjson')).rejects.toMatchObject({
      code: 'sink_refused',
      message: expect.stringContaining('EISDIR'),
    });
    folder.write('data/file', '');
    await expect(write('data/file/a.ndjson')).rejects.toMatchObject({ code: 'sink_refused' });
    expect(readdirSync(inFolder(''))).toEqual(['a.ndjson', 'file']);
  });

  it('shows nothing before it is whole, and no old manifest beside a new file', async () => {
    await write('data/a.ndjson', { output: outputOf(resultRows(3)) });
    const seen: [string, boolean][] = [];
    const look = async () => {
      seen.push([content('a.ndjson'), existsSync(inFolder('a.ndjson.manifest.json'))]);
    };
    await write('data/a.ndjson', { attempt: 2, context: { fence: look } });
    const old = resultRows(3).map(toLine).join('');
    expect(seen).toEqual([
      [old, true],
      [TEXT, false],
    ]);
    expect(existsSync(inFolder('a.ndjson.manifest.json'))).toBe(true);
  });

  it('leaves everything as it was when another process has taken the run over', async () => {
    await write('data/a.ndjson', { output: outputOf(resultRows(3)) });
    const before = readdirSync(inFolder('')).map((name) => [name, content(name)]);
    const fence = () => Promise.reject(new Error('taken over'));
    await expect(write('data/a.ndjson', { attempt: 2, context: { fence } })).rejects.toThrow('taken over');
    expect(readdirSync(inFolder('')).map((name) => [name, content(name)])).toEqual(before);
  });

  it('leaves nothing when the run is cancelled, or its rows cannot be read', async () => {
    const run = new AbortController();
    const cancelled = {
      ...outputOf(ROWS),
      async *text() {
        yield 'x'.repeat(300_000);
        run.abort(new Error('cancelled'));
        yield 'x'.repeat(300_000);
      },
    };
    await expect(
      write('data/a.ndjson', { output: cancelled, context: { signal: run.signal } }),
    ).rejects.toThrow('cancelled');
    const lost = {
      ...outputOf(ROWS),
      async *text() {
        yield 'x';
        throw new Error('Redis is away');
      },
    };
    await expect(write('data/a.ndjson', { output: lost })).rejects.toThrow('Redis is away');
    expect(readdirSync(inFolder(''))).toEqual([]);
  });

  /** Hidden files as a process leaves them that is killed before its file appears. */
  async function leave(path: string, attempt: number, changes: Partial<RunOutput> = {}): Promise<void> {
    let left: string[] = [];
    const fence = () => {
      left = readdirSync(inFolder(''));
      return Promise.reject(new Error('killed'));
    };
    const output = { ...outputOf(ROWS), ...changes };
    await expect(write(path, { attempt, output, context: { fence } })).rejects.toThrow('killed');
    for (const name of left) folder.write(`data/${name}`, 'half');
  }

  it('removes what earlier attempts of the run at the same file have left, and nothing else', async () => {
    await leave('data/b.ndjson', 1);
    await leave('data/a.ndjson', 4);
    await leave('data/a.ndjson', 1, { logicalDate: '2026-11-19' });
    await leave('data/a.ndjson', 1, { schedule: 'hourly' });
    folder.write('data/.a.ndjson.attempt-1.tmp', 'somebody’s own');
    const others = readdirSync(inFolder(''));
    await leave('data/a.ndjson', 1);
    await leave('data/a.ndjson', 3);
    await write('data/a.ndjson', { attempt: 3 });
    expect(readdirSync(inFolder('')).sort()).toEqual(
      [...others, 'a.ndjson', 'a.ndjson.manifest.json'].sort(),
    );
  });

  it('shows nothing in part when two runs write one path', async () => {
    let writing: Promise<unknown> | undefined;
    let finish: () => void = () => {};
    const rest = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const untilOther = () =>
      new Promise<void>((resolve) => {
        const slow = {
          ...outputOf(ROWS),
          logicalDate: '2026-11-21',
          async *text() {
            yield 'x'.repeat(300_000);
            resolve();
            await rest;
            yield 'the end\n';
          },
        };
        writing = write('data/a.ndjson', { output: slow });
        writing.catch(() => {});
      });
    const fence = async () => {
      if (writing === undefined) await untilOther();
    };
    await expect(write('data/a.ndjson', { context: { fence } })).resolves.toMatchObject({ rows: 25 });
    expect(content('a.ndjson')).toBe(TEXT);
    finish();
    await writing;
    expect(content('a.ndjson')).toBe(`${'x'.repeat(300_000)}the end\n`);
  });

  it('does not let a process that was thought dead put its file there', async () => {
    const fence = async () => {
      await write('data/a.ndjson', { attempt: 2, output: outputOf(resultRows(3)) });
    };
    await expect(write('data/a.ndjson', { attempt: 1, context: { fence } })).rejects.toMatchObject({
      code: 'sink_unavailable',
      message: expect.stringContaining('ENOENT'),
    });
    expect(content('a.ndjson')).toBe(resultRows(3).map(toLine).join(''));
    expect(JSON.parse(content('a.ndjson.manifest.json'))).toMatchObject({ rows: { total: 3 } });
  });

  it('lets nobody rename or remove a file of the same hidden name that is another’s', async () => {
    mkdirSync(inFolder(''));
    const writer = { schedule: 'nightly', logicalDate: '2026-11-20', attempt: 1 };
    const old = await AtomicFile.create(inFolder('a.ndjson'), writer);
    const later = await AtomicFile.create(inFolder('a.ndjson'), writer);
    await later.write(Buffer.from('half'));
    await old.finish();
    await expect(old.checkThere()).rejects.toThrow('somebody else writes it');
    await old.discard();
    await later.write(Buffer.from(' and half'));
    await later.finish();
    await later.checkThere();
    await later.appear();
    await later.settle();
    expect(content('a.ndjson')).toBe('half and half');
  });

  it('gives the manifest back that another process has put there, when its own file is gone', async () => {
    mkdirSync(inFolder(''));
    const path = inFolder('a.ndjson');
    const asleep = { schedule: 'nightly', logicalDate: '2026-11-20', attempt: 1 };
    const old = await AtomicFile.create(path, asleep);
    await old.finish();
    await old.checkThere();
    await write('data/a.ndjson', { attempt: 2 });
    const manifest = content('a.ndjson.manifest.json');
    const appearing = withoutFile(`${path}.manifest.json`, asleep, () => old.appear());
    await expect(appearing).rejects.toMatchObject({ code: 'ENOENT' });
    await old.discard();
    expect(content('a.ndjson.manifest.json')).toBe(manifest);
    expect(readdirSync(inFolder('')).sort()).toEqual(['a.ndjson', 'a.ndjson.manifest.json']);
  });

  it('leaves no older manifest beside a file that has appeared, when that is not brought to the disk', async () => {
    await write('data/a.ndjson', { output: outputOf(resultRows(3)) });
    const handle = await open(inFolder(''));
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const { sync } = prototype;
    vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
      const isFolder = (await this.stat()).isDirectory();
      if (isFolder && content('a.ndjson') === TEXT) throw Object.assign(new Error('EIO'), { code: 'EIO' });
      await sync.call(this);
    });
    await expect(write('data/a.ndjson')).rejects.toMatchObject({ code: 'sink_unavailable' });
    vi.restoreAllMocks();
    expect(content('a.ndjson')).toBe(TEXT);
    expect(readdirSync(inFolder(''))).toEqual(['a.ndjson']);
    await write('data/a.ndjson', { attempt: 2 });
    expect(JSON.parse(content('a.ndjson.manifest.json'))).toMatchObject({ rows: { total: 25 } });
  });

  it('has no manifest to put beside the file of the attempt that has taken over', async () => {
    let fences = 0;
    const killed = () => Promise.reject(new Error('killed'));
    const fence = async () => {
      if (++fences < 2) return;
      const later = write('data/a.ndjson', { attempt: 2, context: { fence: killed } });
      await expect(later).rejects.toThrow('killed');
    };
    await expect(write('data/a.ndjson', { context: { fence } })).rejects.toMatchObject({
      code: 'sink_unavailable',
      message: expect.stringContaining('ENOENT'),
    });
    expect(readdirSync(inFolder(''))).toEqual(['a.ndjson']);
  });
});
