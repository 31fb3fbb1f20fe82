/** Parquet as rows: the files in `parquet/` were written by Apache Arrow (`parquet/make.py`), the others by hyparquet-writer. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { linesOf } from '@millrace/parquet/parquet-lines';
import type { FromParquetThread, ToParquetThread } from '@millrace/parquet/parquet-messages';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { openFileSource } from '../dist/sources/file.js';
import { parquetLines } from '../dist/sources/parquet.js';
import { useFolder } from './folder.js';
import { read, sourceContext, textOf } from './reading.js';

const FILES = fileURLToPath(new URL('parquet', import.meta.url));

const open = (path: string) =>
  read(openFileSource({ kind: 'file', path }, { folders: [dirname(path)] }, sourceContext()));
const openNamed = (name: string) => open(join(FILES, `${name}.parquet`));

/** Bytes as a file, which tells what is read of it. */
function told(buffer: ArrayBufferLike, ranges: string[] = []) {
  return {
    byteLength: buffer.byteLength,
    async slice(start: number, end = buffer.byteLength) {
      ranges.push(`${start}-${end}`);
      return buffer.slice(start, end) as ArrayBuffer;
    },
  };
}

describe('Parquet', () => {
  const folder = useFolder();

  it('keeps every value exact, and times in ISO 8601', async () => {
    const { format, text } = await openNamed('types');
    expect(format).toBe('ndjson');
    const [first, second, third, fourth, end] = text.split('\n');
    expect(first).toBe(
      '{"user_id":9007199254740991,"big":0,"small":-128,"unsigned":0,"ratio":0.1,"single":0.5,"half":0.5,' +
        '"active":true,"name":"Zoë \\"Z\\"\\n","segment":"gold","raw":"text","day":"2026-11-20",' +
        '"clock":"02:30:00.000000","at":"2026-11-20T01:30:00.000000Z","local":"2026-10-25T02:30:00.000",' +
        '"nano":"2025-11-20T02:40:00.123456789Z","price":1234567890123456789012.3456,' +
        '"whole":"12345678901234567890","pixels":[[0.5,1],[]],"ids":[1,"9007199254740993"],' +
        '"key":"00000000-0000-0000-0000-000000000001"}',
    );
    expect(second).toBe(
      '{"user_id":"9007199254740993","big":"18446744073709551615","small":127,"unsigned":4294967295,' +
        '"ratio":"NaN","single":-0.25,"half":-2,"active":false,"name":"","segment":"tin","raw":"",' +
        '"day":"1969-12-31","clock":"23:59:59.999999","at":"1969-12-31T23:59:59.999999Z",' +
        '"local":"1970-01-01T00:00:00.001","nano":"1969-12-31T23:59:59.999999999Z","price":-0.0007,' +
        '"whole":-7,"pixels":[],"ids":[null],"key":"ffffffff-ffff-ffff-ffff-ffffffffffff"}',
    );
    expect(JSON.parse(third as string)).toMatchObject({
      user_id: '-9223372036854775808',
      ratio: '-Infinity',
      half: 65504,
      name: '日本',
      raw: 'é',
      day: '2000-02-29',
      price: 0,
      pixels: [[null], null],
      ids: [],
    });
    expect(new Set(Object.values(JSON.parse(fourth as string)))).toEqual(new Set([null]));
    expect(end).toBe('');
  });

  it('reads the timestamps of old writers', async () => {
    const { text } = await openNamed('int96');
    expect(text.split('\n').slice(0, 2)).toEqual([
      '{"at":"2026-11-20T01:30:00.000000000Z"}',
      '{"at":"1969-12-31T23:59:59.999999000Z"}',
    ]);
  });

  it.each(['snappy', 'gzip', 'brotli', 'zstd', 'lz4'])(
    'is read when it was compressed by %s',
    async (codec) => {
      const { text } = await openNamed(codec);
      const lines = Array.from({ length: 1000 }, (_, row) =>
        JSON.stringify({ row, text: `${codec} `.repeat(5) }),
      );
      expect(text).toBe(`${lines.join('\n')}\n`);
    },
  );

  it('may have no rows', async () => {
    expect(await openNamed('empty')).toEqual({ format: 'ndjson', text: '' });
  });

  it.each([
    ['struct', 'no row can have the column "nested": it is a struct or a map'],
    ['struct-of-one', 'no row can have the column "only": it is a struct or a map'],
    ['map', 'no row can have the column "m": it is a struct or a map'],
    ['fixed', 'no row can have the column "f": it holds bytes'],
    ['binary', 'the column "b" has a value that is none'],
  ])('is refused with what no row can hold: %s', async (name, message) => {
    await expect(openNamed(name)).rejects.toMatchObject({
      code: 'source_malformed',
      isTransient: false,
      message: expect.stringContaining(message),
    });
  });

  it('is refused wherever it was cut off', async () => {
    const whole = readFileSync(join(FILES, 'types.parquet'));
    for (let length = 0; length < whole.length; length += 499) {
      const path = folder.write('cut.parquet', whole.subarray(0, length));
      await expect(open(path)).rejects.toMatchObject({ code: 'source_malformed' });
    }
  });

  it('is refused when there is no end to unpacking it, and what it holds open is closed', async () => {
    const bytes = new Uint8Array(readFileSync(join(FILES, 'snappy.parquet')));
    // Says that more repeated values follow than there are; the reader looks for them behind the end.
    bytes[4052] = 135;
    let isClosed = false;
    const ranges = async () => ({
      byteLength: bytes.length,
      slice: async (start: number, end = bytes.length) => bytes.buffer.slice(start, end),
      close: async () => {
        isClosed = true;
      },
    });
    const lines = parquetLines([{ name: 'endless', stream: () => neverRead(), ranges }], 300);
    await expect(textOf(lines)).rejects.toMatchObject({
      code: 'source_malformed',
      message: expect.stringContaining('was not unpacked within 300 ms'),
    });
    expect(isClosed).toBe(true);
  });

  it('joins several files, each value of JSON on one line', async () => {
    const columns = (text: string) => [{ name: 'tags', data: [text], type: 'JSON' as const }];
    folder.write('1.parquet', new Uint8Array(parquetWriteBuffer({ columnData: columns('a\nb') })));
    folder.write('2.parquet', new Uint8Array(parquetWriteBuffer({ columnData: columns('c') })));
    expect((await open(join(folder.path, '*.parquet'))).text).toBe('{"tags":"a\\nb"}\n{"tags":"c"}\n');
  });

  it('is read one row group at a time', async () => {
    const user = Array.from({ length: 50 }, (_, row) => row);
    const buffer = parquetWriteBuffer({ columnData: [{ name: 'user', data: user }], rowGroupSize: 10 });
    let bytesRead = 0;
    const ranges = {
      byteLength: buffer.byteLength,
      async slice(start: number, end = buffer.byteLength) {
        bytesRead += end - start;
        return buffer.slice(start, end);
      },
    };
    const lines = parquetLines([{ name: 'users', stream: () => neverRead(), ranges: async () => ranges }]);
    const readAfter: number[] = [];
    let text = '';
    for await (const piece of lines) {
      text += Buffer.from(piece).toString();
      readAfter.push(bytesRead);
    }
    expect(text).toBe(user.map((row) => `{"user":${row}}\n`).join(''));
    expect(new Set(readAfter).size).toBe(5);
  });

  it.each([1, 7, 100, 1_000])(
    'is the same when %i values are in memory at once, and read once',
    async (most) => {
      const numbers = Array.from({ length: 300 }, (_, row) => row);
      const buffer = parquetWriteBuffer({
        columnData: [
          { name: 'id', data: numbers.map(BigInt), type: 'INT64' },
          {
            name: 'word',
            data: numbers.map((row) => (row % 3 === 0 ? null : `w${row % 5}`)),
            type: 'STRING',
          },
          { name: 'text', data: numbers.map((row) => `${row}`), type: 'STRING', encoding: 'PLAIN' },
        ],
        rowGroupSize: 120,
        pageSize: 64,
      });
      const lines = numbers.map((row) => {
        const word = row % 3 === 0 ? null : `w${row % 5}`;
        return `${JSON.stringify({ id: row, word, text: `${row}` })}\n`;
      });
      const ranges: string[] = [];
      expect(await textOf(linesOf(told(buffer, ranges), most))).toBe(lines.join(''));
      expect(new Set(ranges).size).toBe(ranges.length);
    },
  );

  it('has lists that are the same when one row is in memory at once', async () => {
    const { buffer } = new Uint8Array(readFileSync(join(FILES, 'types.parquet')));
    const { text } = await openNamed('types');
    expect(await textOf(linesOf(told(buffer), 1))).toBe(text);
  });

  it('does not take the memory of millions of values that stand in a few bytes', async () => {
    const data = new Array(400_000).fill('x');
    const names = Array.from({ length: 40 }, (_, place) => `c${place}`);
    const columnData = names.map((name) => ({ name, data, type: 'STRING' as const }));
    const buffer = parquetWriteBuffer({ columnData, rowGroupSize: data.length });
    const thread = new Worker(new URL(import.meta.resolve('@millrace/parquet/parquet-thread')), {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 96 },
    });
    const piece = new Promise((resolve, reject) => {
      thread.on('error', reject);
      thread.on('message', (message: FromParquetThread) => {
        if (message.kind !== 'read') return resolve(message.kind);
        const bytes = buffer.slice(message.start, message.end);
        thread.postMessage({ kind: 'range', id: message.id, bytes } satisfies ToParquetThread);
      });
    });
    thread.postMessage({
      kind: 'open',
      byteLength: buffer.byteLength,
      as: 'lines',
    } satisfies ToParquetThread);
    thread.postMessage({ kind: 'next' } satisfies ToParquetThread);
    try {
      expect(await piece).toBe('piece');
    } finally {
      await thread.terminate();
    }
  });

  it('passes on what kept its bytes from being read', async () => {
    const failure = new Error('the disk is gone');
    const ranges = { byteLength: 1000, slice: () => Promise.reject(failure) };
    const lines = parquetLines([{ name: 'users', stream: () => neverRead(), ranges: async () => ranges }]);
    await expect(textOf(lines)).rejects.toBe(failure);
  });
});

function neverRead(): never {
  throw new Error('Parquet is read by ranges');
}
