import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onnxModel } from '../../../test/fixtures/onnx-graph.js';
import { useServing } from './serving.js';

const serving = useServing();

/** A model that adds a number to its input. */
const adding = (number: number): Uint8Array =>
  onnxModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['n'] }],
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [
      { name: 'w', type: 'float32', dims: [1], data: new Uint8Array(Float32Array.of(number).buffer) },
    ],
  });

const answer = async (key: string) => (await serving.predict(key, [10])).predictions;
const aliases = () => serving.registry.models.aliases.add;

describe('while the worker runs', () => {
  it('a version that appears is served beside the others', async () => {
    serving.write('add/1/model.onnx', adding(1));
    await serving.open();
    serving.write('add/2/model.onnx', adding(2));
    await serving.refresh();
    expect(serving.served()).toEqual(['add@1', 'add@2']);
    expect([await answer('add@1'), await answer('add@2')]).toEqual([[11], [12]]);
  });

  it('a file is not looked into before it has stopped changing', async () => {
    serving.write('add/1/model.onnx', adding(1));
    await serving.open();
    const whole = adding(2);
    for (const length of [10, 30, whole.length - 1]) {
      serving.write('add/2/model.onnx', whole.subarray(0, length));
      await serving.registry.refresh();
    }
    serving.write('add/2/model.onnx', whole);
    await serving.registry.refresh();
    expect([serving.served(), serving.refused()]).toEqual([['add@1'], []]);
    await serving.registry.refresh();
    expect(serving.served()).toEqual(['add@1', 'add@2']);
  });

  it('a broken version is refused, says why, and is served once it is mended', async () => {
    serving.write('add/1/model.onnx', adding(1));
    await serving.open();
    serving.write('add/2/model.onnx', adding(2).subarray(0, -3));
    await serving.refresh();
    expect(serving.served()).toEqual(['add@1']);
    expect(serving.refused()).toEqual([expect.stringMatching(/^add\/2: model\.onnx is cut off/)]);
    serving.write('add/2/model.onnx', adding(2));
    await serving.refresh();
    expect([serving.served(), serving.refused()]).toEqual([['add@1', 'add@2'], []]);
  });

  it('a version whose files are changed is replaced, and kept for the tasks that are pinned to it', async () => {
    serving.write('add/1/model.onnx', adding(1));
    await serving.open();
    const [before = ''] = serving.registry.pins;
    serving.write('add/1/model.onnx', adding(5));
    await serving.refresh();
    expect(serving.registry.pins).toEqual([expect.stringMatching(/^add@1 /), before]);
    expect([await answer('add@1'), await answer(before)]).toEqual([[15], [11]]);
  });

  it('a version that is broken in place stays in service as it was', async () => {
    serving.write('add/1/model.onnx', adding(1));
    await serving.open();
    serving.write('add/1/model.onnx', 'garbage');
    await serving.refresh();
    expect(serving.served()).toEqual(['add@1']);
    expect(serving.refused()).toEqual(['add/1: model.onnx is not an ONNX file']);
    expect(await answer('add@1')).toEqual([11]);
  });

  it('files that were only touched change nothing', async () => {
    serving.write('add/1/model.onnx', adding(1));
    await serving.open();
    const before = serving.registry.pins;
    serving.write('add/1/model.onnx', adding(1));
    await serving.refresh();
    expect(serving.registry.pins).toEqual(before);
  });

  it('a version that is removed is offered no more', async () => {
    serving.write('add/1/model.onnx', adding(1));
    serving.write('add/2/model.onnx', adding(2));
    await serving.open();
    rmSync(join(serving.directory, 'add/2'), { recursive: true });
    await serving.refresh();
    expect(serving.served()).toEqual(['add@1']);
    const [, removed = ''] = serving.registry.pins;
    expect(await answer(removed)).toEqual([12]);
  });

  it('a directory that is empty for a moment takes nothing out of service', async () => {
    serving.write('add/1/model.onnx', adding(1));
    await serving.open();
    renameSync(join(serving.directory, 'add'), join(serving.directory, '.away'));
    await serving.refresh();
    expect(serving.served()).toEqual(['add@1']);
  });

  it('what was replaced goes when nobody asks for it any more, and its sessions with it', async () => {
    serving.write('add/1/model.onnx', adding(1));
    serving.write('add/2/model.onnx', adding(2));
    await serving.open({ idleMs: 60_000 });
    const [before = ''] = serving.registry.pins;
    serving.write('add/1/model.onnx', adding(5));
    await serving.refresh();
    serving.now = Date.now() + 61_000;
    await serving.refresh();
    expect(serving.registry.pins).toEqual([
      expect.stringMatching(/^add@1 /),
      expect.stringMatching(/^add@2 /),
    ]);
    expect(serving.pool.lastUsed(before)).toBe(0);
    // A served version is loaded again when somebody asks for it.
    for (const pin of serving.registry.pins) expect(serving.pool.lastUsed(pin)).toBe(0);
    expect([await answer('add@1'), await answer('add@2')]).toEqual([[15], [12]]);
  });

  it('only the last few of many replaced versions are kept', async () => {
    serving.write('add/1/model.onnx', adding(0));
    await serving.open();
    for (let number = 1; number <= 5; number++) {
      serving.write('add/1/model.onnx', adding(number));
      await serving.refresh();
    }
    expect(serving.registry.pins.length).toBe(3);
    expect(await answer('add@1')).toEqual([15]);
  });
});

it('a version stays what was proved, though its file has changed and its session was released', async () => {
  serving.write('add/1/model.onnx', adding(1));
  await serving.open({ idleMs: 60_000 });
  const [pin = ''] = serving.registry.pins;
  serving.write('add/1/model.onnx', 'garbage');
  await serving.refresh();
  serving.now = Date.now() + 61_000;
  await serving.registry.refresh();
  expect(serving.pool.lastUsed(pin)).toBe(0);
  expect((await serving.predict(pin, [10])).predictions).toEqual([11]);
});

it('the same files as another version share a copy, which stays until both are gone', async () => {
  serving.write('add/1/model.onnx', adding(1));
  serving.write('add/2/model.onnx', adding(1));
  await serving.open({ idleMs: 60_000 });
  rmSync(join(serving.directory, 'add/1'), { recursive: true });
  await serving.refresh();
  // The removed version is let go, and so are all sessions: the next prediction loads from the copy.
  serving.now = Date.now() + 61_000;
  await serving.refresh();
  expect(serving.registry.pins).toEqual([expect.stringMatching(/^add@2 /)]);
  expect(await answer('add@2')).toEqual([11]);
});

it('samples that are changed are run', async () => {
  const samples = (y: number) => ({ samples: [{ row: { x: 10 }, outputs: { y } }] });
  serving.write('add/1/model.onnx', adding(1));
  serving.write('add/1/samples.json', samples(11));
  await serving.open();
  const before = serving.registry.pins;
  serving.write('add/1/samples.json', samples(12));
  await serving.refresh();
  expect(serving.refused()).toEqual(['add/1: sample 0: y is [11], known to be 12']);
  expect([serving.served(), serving.registry.pins]).toEqual([['add@1'], before]);
  serving.write('add/1/samples.json', { samples: [{ row: { x: 1 }, outputs: { y: 2 } }] });
  await serving.refresh();
  expect(serving.refused()).toEqual([]);
  expect(serving.registry.models.served[0]?.example).toEqual({ x: 1 });
});

it('a version that is away for one look only stays', async () => {
  serving.write('add/1/model.onnx', adding(1));
  serving.write('add/2/model.onnx', adding(2));
  await serving.open();
  renameSync(join(serving.directory, 'add/2'), join(serving.directory, 'add/.2'));
  await serving.registry.refresh();
  renameSync(join(serving.directory, 'add/.2'), join(serving.directory, 'add/2'));
  await serving.registry.refresh();
  expect(serving.served()).toEqual(['add@1', 'add@2']);
});

describe('news are told at once', () => {
  const told = async () => {
    let times = 0;
    serving.write('add/1/model.onnx', adding(1));
    serving.write('add/aliases.json', { champion: 1 });
    await serving.open({ onChange: () => times++ });
    return () => times;
  };

  it.each([
    ['a file beside the versions', () => serving.write('add/stray.onnx', adding(1))],
    ['a bare file of a version that is there', () => serving.write('add.onnx', adding(1))],
    ['aliases that are gone', () => rmSync(join(serving.directory, 'add/aliases.json'))],
  ])('%s', async (_, change) => {
    const times = await told();
    await serving.refresh();
    const before = times();
    change();
    await serving.refresh();
    expect(times()).toBe(before + 1);
  });

  it('a refusal that is no longer one', async () => {
    const times = await told();
    serving.write('add/stray.onnx', adding(1));
    await serving.refresh();
    const before = times();
    rmSync(join(serving.directory, 'add/stray.onnx'));
    await serving.refresh();
    expect([times(), serving.refused()]).toEqual([before + 1, []]);
  });
});

describe('data beside the ONNX file', () => {
  const external = onnxModel({
    inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['n'] }],
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [{ name: 'w', type: 'float32', dims: [1], data: { location: 'data/w.bin' } }],
  });
  const data = (number: number) => new Uint8Array(Float32Array.of(number).buffer);

  it.each(['add/1/', ''])('is followed like the file itself: %s', async (folder) => {
    serving.write(`${folder}add.onnx`, external);
    serving.write(`${folder}data/w.bin`, data(1));
    await serving.open();
    expect(await answer('add@1')).toEqual([11]);
    serving.write(`${folder}data/w.bin`, data(5));
    await serving.refresh();
    expect(await answer('add@1')).toEqual([15]);
  });

  it('may arrive after it', async () => {
    serving.write('add.onnx', external);
    await serving.open();
    expect(serving.refused()).toEqual(['add/1: add.onnx keeps data in "data/w.bin", which is not there']);
    serving.write('data/w.bin', data(2));
    await serving.refresh();
    expect([serving.served(), serving.refused()]).toEqual([['add@1'], []]);
    expect(await answer('add@1')).toEqual([12]);
  });
});

describe('aliases', () => {
  const start = async (champion: unknown) => {
    serving.write('add/1/model.onnx', adding(1));
    serving.write('add/2/model.onnx', adding(2));
    serving.write('add/aliases.json', { champion });
    await serving.open();
  };

  it('stand for versions, and move', async () => {
    await start(1);
    expect(aliases()).toMatchObject({ targets: { champion: 1 }, problems: [] });
    serving.write('add/aliases.json', { champion: 2, challenger: 1 });
    await serving.refresh();
    expect(aliases()).toMatchObject({ targets: { champion: 2, challenger: 1 }, problems: [] });
  });

  it('that are moved to a version which is not served stay where they were', async () => {
    await start(1);
    serving.write('add/aliases.json', { champion: 3, other: 4 });
    await serving.refresh();
    expect(aliases()).toMatchObject({
      targets: { champion: 1 },
      problems: [
        'champion is to be version 3, which is not served; it stays 1',
        'other is to be version 4, which is not served',
      ],
    });
    serving.write('add/3/model.onnx', adding(3));
    await serving.refresh();
    expect(aliases()).toMatchObject({ targets: { champion: 3 } });
  });

  it.each([
    ['{', /^aliases\.json is not JSON/],
    ['[1]', /^aliases\.json does not hold: Invalid input/],
    ['{"champion":"1"}', /^aliases\.json does not hold: champion: must be a version$/],
    ['{"2":1}', /an alias is letters, digits, - and _, beginning with a letter/],
  ])('of a broken file stay as they were: %s', async (text, problem) => {
    await start(1);
    serving.write('add/aliases.json', text);
    await serving.refresh();
    expect(aliases()).toMatchObject({ targets: { champion: 1 }, problems: [expect.stringMatching(problem)] });
  });

  it('go with their file', async () => {
    await start(1);
    rmSync(join(serving.directory, 'add/aliases.json'));
    await serving.refresh();
    expect(serving.registry.models.aliases).toEqual({});
  });
});

it('leaves the models of other pools to other workers', async () => {
  serving.write('add/1/model.onnx', adding(1));
  serving.write('big/1/model.onnx', adding(1));
  serving.write('big/1/model.json', { limits: { pool: 'gpu' } });
  await serving.open({ poolName: 'gpu' });
  expect([serving.served(), serving.refused()]).toEqual([['big@1'], []]);
});

it('a proof that does not end is given up, and the others go on', async () => {
  serving.write('add/1/model.onnx', adding(1));
  serving.write('loop/1/model.onnx', ENDLESS);
  await serving.open({ proveMs: 1_500 });
  expect(serving.served()).toEqual(['add@1']);
  expect(serving.refused()).toEqual(['loop/1: it was not proved within 1.5 s; MODEL_PROVE_MS gives it more']);
});

/** Multiplies large matrices for minutes: one row is a matrix product of 4096³ steps. */
const ENDLESS = onnxModel({
  inputs: [{ name: 'x', type: 'float32', shape: ['n', 4096, 4096] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['n', 4096, 4096] }],
  nodes: [
    { op: 'MatMul', inputs: ['x', 'x'], outputs: ['a'] },
    { op: 'MatMul', inputs: ['a', 'x'], outputs: ['b'] },
    { op: 'MatMul', inputs: ['b', 'x'], outputs: ['y'] },
  ],
});

it('one that takes long is proved after the others', async () => {
  serving.write('add/1/model.onnx', adding(1));
  serving.write('aaa/1/model.onnx', ENDLESS);
  const order: string[][] = [];
  await serving.open({ proveMs: 6_000, onChange: () => order.push(serving.served()) });
  expect(order[0]).toEqual(['add@1']);
  expect(serving.refused()).toEqual(['aaa/1: it was not proved within 6 s; MODEL_PROVE_MS gives it more']);
});
