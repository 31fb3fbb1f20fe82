/** Files as a source: which are found, which are allowed, and how several become one stream of rows. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type FileSource, openFileSource } from '../dist/sources/file.js';
import { useFolder } from './folder.js';
import { read, sourceContext } from './reading.js';

const BYTE_ORDER_MARK = '\uFEFF';

describe('a file source', () => {
  const folder = useFolder();

  const open = (path: string, format?: FileSource['format'], folders = [join(folder.path, 'data')]) =>
    read(
      openFileSource({ kind: 'file', path: join(folder.path, path), format }, { folders }, sourceContext()),
    );

  it('reads one file by its path', async () => {
    folder.write('data/users.ndjson', '{"user":1}\n{"user":2}\n');
    expect(await open('data/users.ndjson')).toEqual({ format: 'ndjson', text: '{"user":1}\n{"user":2}\n' });
  });

  it('takes a path from the process’s own folder on', async () => {
    const source = { kind: 'file' as const, path: 'packages/../package.json', format: 'ndjson' as const };
    const { text } = await read(openFileSource(source, { folders: ['.'] }, sourceContext()));
    expect(text).toContain('"name": "millrace"');
  });

  it.each([
    ['data/*.csv', ['data/a.csv', 'data/b.csv']],
    ['data/?.csv', ['data/a.csv', 'data/b.csv']],
    ['data/**/*.csv', ['data/2026/11/c.csv', 'data/a.csv', 'data/b.csv']],
    ['data/**/11/*', ['data/2026/11/c.csv']],
    ['data/2026/**', ['data/2026/11/c.csv']],
    ['data/**/**/c.csv', ['data/2026/11/c.csv']],
    ['data/*/*/c.csv', ['data/2026/11/c.csv']],
  ])('finds by %s, in order', async (pattern, expected) => {
    for (const name of ['b.csv', 'a.csv', '2026/11/c.csv', '.hidden.csv', '2026/.hidden/d.csv']) {
      folder.write(`data/${name}`, `id\ndata/${name}\n`);
    }
    const { text } = await open(pattern);
    expect(text.trim().split('\n')).toEqual(['id', ...expected]);
  });

  it('takes a dot and brackets in a pattern for themselves', async () => {
    for (const name of ['a[1].csv', 'a1.csv', 'aXcsv']) folder.write(`data/${name}`, `id\n${name}\n`);
    expect((await open('data/*[1].csv')).text).toBe('id\na[1].csv\n');
    expect((await open('data/a*.csv')).text).toBe('id\na1.csv\na[1].csv\n');
  });

  it.each(['data/none.csv', 'data/none-*.csv', 'data/none/*.csv', 'data/a.csv/*.csv'])(
    'names the pattern when there is no file %s',
    async (pattern) => {
      folder.write('data/a.csv', 'id\n1\n');
      await expect(open(pattern)).rejects.toMatchObject({
        code: 'source_not_found',
        message: expect.stringContaining(pattern),
      });
    },
  );

  it.each(['secret.csv', '*.csv', 'data/../secret.csv', 'data/*/../../secret.csv', 'data-2/a.csv', '**'])(
    'refuses %s, which is without the allowed folders',
    async (path) => {
      for (const name of ['data/a.csv', 'secret.csv', 'data-2/a.csv']) folder.write(name, 'id\n1\n');
      await expect(open(path)).rejects.toMatchObject({ code: 'source_not_allowed', isTransient: false });
    },
  );

  it('follows symbolic links only as far as they stay within', async () => {
    folder.write('elsewhere/secret.csv', 'id\n1\n');
    folder.write('data/kept/a.csv', 'id\n2\n');
    symlinkSync(join(folder.path, 'elsewhere/secret.csv'), join(folder.path, 'data/link.csv'));
    symlinkSync(join(folder.path, 'elsewhere'), join(folder.path, 'data/linked'));
    symlinkSync(join(folder.path, 'data/kept'), join(folder.path, 'data/latest'));
    symlinkSync(join(folder.path, 'data'), join(folder.path, 'public'));
    for (const path of ['data/link.csv', 'data/*.csv', 'data/linked/secret.csv', 'data/linked/*.csv']) {
      await expect(open(path)).rejects.toMatchObject({ code: 'source_not_allowed' });
    }
    expect((await open('data/latest/*.csv')).text).toBe('id\n2\n');
    expect((await open('public/kept/a.csv', undefined, [join(folder.path, 'public')])).text).toBe('id\n2\n');
  });

  it('does not walk round in links that lead back', async () => {
    folder.write('data/a/b.csv', 'id\n1\n');
    symlinkSync(join(folder.path, 'data'), join(folder.path, 'data/a/round'));
    expect((await open('data/**/*.csv')).text).toBe('id\n1\n');
  });

  it.each([
    `data/${'*a'.repeat(9)}*b.csv`,
    `data/${'**/a/'.repeat(9)}b.csv`,
    `data/${'**/'.repeat(12)}b.csv`,
  ])('has soon seen that nothing matches %s', async (pattern) => {
    folder.write(`data/${'a'.repeat(60)}.csv`, 'id\n1\n');
    folder.write(`data/${'a/'.repeat(20)}c.csv`, 'id\n1\n');
    await expect(open(pattern)).rejects.toMatchObject({ code: 'source_not_found' });
  });

  it('looks no further for files when the run is cancelled', async () => {
    folder.write('data/a.csv', 'id\n1\n');
    const run = new AbortController();
    const source = { kind: 'file' as const, path: join(folder.path, 'data/**/*.csv') };
    const opening = openFileSource(source, { folders: [folder.path] }, sourceContext(run));
    run.abort(new Error('cancelled'));
    await expect(opening).rejects.toThrow('cancelled');
  });

  it('never waits for a pipe, nor takes a folder for a file', async () => {
    mkdirSync(join(folder.path, 'data/folder.csv'), { recursive: true });
    execFileSync('mkfifo', [join(folder.path, 'data/pipe.csv')]);
    for (const path of ['data/pipe.csv', 'data/folder.csv']) {
      await expect(open(path)).rejects.toMatchObject({
        code: 'source_unreadable',
        message: expect.stringContaining('not a regular file'),
      });
    }
  });

  it('joins NDJSON files that do not end in a line feed', async () => {
    folder.write('data/1.ndjson', '{"a":1}');
    folder.write('data/2.jsonl', '');
    folder.write('data/3.ndjson', '{"a":3}\n');
    folder.write('data/4.ndjson', `${BYTE_ORDER_MARK}{"a":4}`);
    expect((await open('data/*')).text).toBe('{"a":1}\n{"a":3}\n{"a":4}');
  });

  it('sends the header of several CSV files once', async () => {
    folder.write('data/1.csv', 'id,text\r\n1,"a\nb"\r\n2,c');
    folder.write('data/2.csv', `${BYTE_ORDER_MARK}id,text\n3,d\n`);
    folder.write('data/3.csv', '\n');
    folder.write('data/4.csv', 'id,text');
    folder.write('data/5.csv', '\n\nid,text\n\n5,"e ""x"""');
    const { format, text } = await open('data/*.csv');
    expect({ format, text }).toEqual({
      format: 'csv',
      text: 'id,text\n1,"a\nb"\r\n2,c\n3,d\n\n5,"e ""x"""\n',
    });
  });

  it.each([
    ['id,other\n2,b\n', 'have not the same header'],
    ['id,text\n2,"b\n', 'ends within an open quote'],
    ['"id,text\n', 'ends within an open quote'],
    [`${'x'.repeat(1_100_000)}\n`, 'the header of'],
  ])('refuses CSV files that do not go together', async (second, message) => {
    folder.write('data/1.csv', 'id,text\n1,a\n');
    const path = folder.write('data/2.csv', second);
    folder.write('data/3.csv', 'id,text\n3,c\n');
    await expect(open('data/*.csv')).rejects.toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining(message),
    });
    await expect(open('data/*.csv')).rejects.toThrow(path);
  });

  it('inflates gzip, of several members too, and plain text that is only called gzip', async () => {
    const members = Buffer.concat([gzipSync(`${BYTE_ORDER_MARK}{"a":1}\n`), gzipSync('{"a":2}\n')]);
    folder.write('data/1.ndjson.gz', members);
    folder.write('data/2.ndjson.gz', '{"a":3}\n');
    folder.write('data/3.ndjson.gz', gzipSync(''));
    expect((await open('data/*.gz')).text).toBe('{"a":1}\n{"a":2}\n{"a":3}\n');
  });

  it('tells gzip that was cut off, or is broken', async () => {
    const whole = gzipSync('{"a":1}\n'.repeat(1000));
    folder.write('data/cut.ndjson.gz', whole.subarray(0, -9));
    whole[20] = 0xff;
    whole[21] = 0xff;
    folder.write('data/broken.ndjson.gz', whole);
    for (const name of ['data/cut.ndjson.gz', 'data/broken.ndjson.gz']) {
      await expect(open(name)).rejects.toMatchObject({
        code: 'source_malformed',
        message: expect.stringContaining(`${name} is not whole gzip`),
      });
    }
  });

  it('takes the format that is declared, and wants one where the name tells none', async () => {
    folder.write('data/export.txt', 'id\n1\n');
    expect(await open('data/export.txt', 'csv')).toEqual({ format: 'csv', text: 'id\n1\n' });
    await expect(open('data/export.txt')).rejects.toThrow('the name does not tell the format');
  });

  it('refuses files of several formats', async () => {
    folder.write('data/1.csv', 'id\n1\n');
    folder.write('data/2.ndjson', '{"id":2}\n');
    await expect(open('data/*')).rejects.toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('several formats'),
    });
  });

  it('stops reading when the run is cancelled', async () => {
    const path = folder.write('data/a.ndjson', '{"a":1}\n'.repeat(200_000));
    const run = new AbortController();
    const source = { kind: 'file' as const, path };
    const { bytes } = await openFileSource(source, { folders: [folder.path] }, sourceContext(run));
    const reading = bytes[Symbol.asyncIterator]();
    expect((await reading.next()).done).toBe(false);
    run.abort(new Error('cancelled'));
    await expect(reading.next()).rejects.toThrow('cancelled');
  });
});
