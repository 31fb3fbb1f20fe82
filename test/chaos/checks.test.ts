/** What the chaos program takes for a violation: each check is given what must not be, and finds it. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Caller } from '../../chaos/caller.js';
import { resultProblems } from '../../chaos/compare-result.js';
import { CursorWatch } from '../../chaos/cursor-watch.js';
import { LedgerWatch, type TaskView } from '../../chaos/ledger-watch.js';
import { readOptions } from '../../chaos/options.js';
import { planRounds } from '../../chaos/plan.js';
import { percentile } from '../../chaos/report.js';
import { abandonedUploads, storeProblems } from '../../chaos/store-check.js';
import type { StoredTask, StoreScan } from '../../chaos/store-scan.js';
import type { KnownTask } from '../../chaos/task-client.js';

const LEDGER = {
  total: 0,
  pending: 0,
  running: 0,
  succeeded: 0,
  invalid: 0,
  failed: 0,
  cancelled: 0,
  expired: 0,
};
const view = (status: TaskView['status'], rows: Partial<TaskView['rows']>): TaskView => {
  return { task_id: 'a', status, rows: { ...LEDGER, ...rows } };
};

describe('the ledger watch', () => {
  const watched = (...views: TaskView[]) => {
    const watch = new LedgerWatch();
    return views.flatMap((each) => watch.see(each));
  };

  it('has nothing to say of a task that goes its way', () => {
    const views = [
      view('receiving', { total: 2, pending: 1, succeeded: 1 }),
      view('running', { total: 3, pending: 1, running: 1, succeeded: 1 }),
      view('running', { total: 3, pending: 2, succeeded: 1 }),
      view('partially_succeeded', { total: 3, succeeded: 2, invalid: 1 }),
    ];
    expect(watched(...views)).toEqual([]);
  });

  it.each([
    ['a sum that is not the total', [view('running', { total: 3, succeeded: 2 })], /sum/],
    [
      'a total that shrinks',
      [view('receiving', { total: 3, pending: 3 }), view('running', { total: 2, pending: 2 })],
      /"total" shrinks/,
    ],
    [
      'an outcome that shrinks',
      [view('running', { total: 2, succeeded: 2 }), view('running', { total: 2, succeeded: 1, running: 1 })],
      /"succeeded" shrinks/,
    ],
    [
      'a status that goes back',
      [view('running', { total: 1, running: 1 }), view('pending', { total: 1, pending: 1 })],
      /may not move/,
    ],
    [
      'an end that is not the last',
      [view('succeeded', { total: 1, succeeded: 1 }), view('failed', { total: 1, succeeded: 1 })],
      /may not move/,
    ],
  ])('sees %s', (_, views, problem) => {
    expect(watched(...views)).toEqual([expect.stringMatching(problem)]);
  });
});

describe('the comparison of results', () => {
  const LINES = [
    '{"row":0,"prediction":7}',
    '{"row":1,"id":"b","error":{"code":"wrong_type","message":"x"}}',
    '{"row":2,"prediction":9}',
  ];
  const JSON_PART =
    ',"predictions":[7,null,9],"errors":[{"row":1,"code":"wrong_type","message":"x","id":"b"}]}\n';
  const reference = { lines: LINES, json: JSON_PART };
  const ended = view('partially_succeeded', { total: 3, succeeded: 2, invalid: 1 });
  const CANCELLED = '{"row":2,"error":{"code":"cancelled","message":"c"}}';
  const cancelled = {
    view: view('cancelled', { total: 3, succeeded: 1, invalid: 1, cancelled: 1 }),
    lines: [...LINES.slice(0, 2), CANCELLED],
    json: ',"predictions":[7,null,null],"errors":[{"row":1,"code":"wrong_type","message":"x","id":"b"},{"row":2,"code":"cancelled","message":"c"}]}\n',
  };

  it('has nothing to say of the same, and of rows that were cancelled', () => {
    expect(resultProblems({ view: ended, lines: LINES, json: JSON_PART }, reference)).toEqual([]);
    expect(resultProblems(cancelled, reference)).toEqual([]);
  });

  it.each([
    ['another prediction', [LINES[0], LINES[1], '{"row":2,"prediction":8}'], /row 2 is .*8.* and was .*9/],
    ['a row twice', [LINES[0], LINES[0], LINES[2]], /line 1 is row 0/],
    ['a row too few', LINES.slice(0, 2), /there are 2 rows and were 3/],
    ['another error', [LINES[0], LINES[1]?.replace('wrong_type', 'timeout'), LINES[2]], /row 1 is/],
  ])('sees %s', (_, lines, problem) => {
    const found = resultProblems({ view: ended, lines: lines as string[], json: JSON_PART }, reference);
    expect(found).toContainEqual(expect.stringMatching(problem));
  });

  it('sees counts that are not those of the rows', () => {
    const rows = { ...ended.rows, succeeded: 1, failed: 1 };
    const found = resultProblems({ view: { ...ended, rows }, lines: LINES, json: JSON_PART }, reference);
    expect(found).toContainEqual('2 rows are succeeded, and the ledger says 1');
  });

  it('sees a status that does not follow from the counts', () => {
    const found = resultProblems(
      { view: { ...ended, status: 'succeeded' }, lines: LINES, json: JSON_PART },
      reference,
    );
    expect(found).toEqual([expect.stringMatching(/the status is succeeded/)]);
  });

  it('sees JSON that is not what the lines are, nor what it was', () => {
    const json = JSON_PART.replace('7,', '6,');
    expect(resultProblems({ view: ended, lines: LINES, json }, reference)).toEqual([
      'JSON and NDJSON differ in predictions',
      'the JSON is not that of the undisturbed run',
    ]);
  });
});

describe('the cursor watch', () => {
  const page = (...rows: number[]) => ({ results: rows.map((row) => ({ row })), next: '1', complete: false });

  it('has nothing to say of each row once', () => {
    const watch = new CursorWatch(2);
    expect([...watch.see(page(0, 1)), ...watch.see(page()), ...watch.see(page(2))]).toEqual([]);
    expect(watch.compare(['{"row":0}', '{"row":1}', '{"row":2}'])).toEqual([]);
  });

  it.each([
    ['a row twice', [page(0, 1), page(1)]],
    ['a row left out', [page(0), page(2)]],
    ['more rows than were asked for', [page(0, 1, 2)]],
  ])('sees %s', (_, pages) => {
    const watch = new CursorWatch(2);
    expect(pages.flatMap((each) => watch.see(each))).toHaveLength(1);
  });

  it('sees an end that came too soon', () => {
    const watch = new CursorWatch(2);
    watch.see(page(0, 1));
    expect(watch.compare(['{"row":0}', '{"row":1}', '{"row":2}'])).toHaveLength(1);
  });
});

describe('the check of what is stored', () => {
  const TASK: StoredTask = {
    id: 'a',
    record: { status: 'cancelled', chunks: '2', sealed: '1', request_id: 'r1-t0.3' },
    chunks: new Map([
      [0, 'done'],
      [1, 'cancelled'],
    ]),
    inputs: [1],
    outputs: [0],
    failed: [],
  };
  const KNOWN: KnownTask = { id: 'a', round: 1, label: 'r1-t0', hasKey: true, isErased: false, rows: 2 };
  const scanOf = (task: Partial<StoredTask>, rest: Partial<StoreScan> = {}): StoreScan => ({
    tasks: new Map([['a', { ...TASK, ...task }]]),
    jobs: [],
    failedJobs: [],
    everlasting: ['{millrace:queue}:default:meta'],
    ...rest,
  });
  const job = { task: 'a', chunk: 1, places: ['active'] };

  it('has nothing to say of a finished task', () => {
    expect(storeProblems(scanOf({}), [KNOWN])).toEqual([]);
  });

  it.each<[string, StoreScan, RegExp]>([
    ['an acknowledged task that is gone', { ...scanOf({}), tasks: new Map() }, /no record/],
    ['one that is not finished', scanOf({ record: { ...TASK.record, status: 'running' } }), /it is running/],
    ['one that is still received', scanOf({ record: { ...TASK.record, status: 'receiving' } }), /receiving/],
    ['input that is left', scanOf({ inputs: [0, 1] }), /the input of chunks 0,1, of which 1 /],
    ['input that a retry misses', scanOf({ failed: [0] }), /the input of chunks 1, of which 1,0 /],
    ['a result that is missing', scanOf({ outputs: [] }), /results of chunks/],
    ['a result that should not be', scanOf({ outputs: [0, 1] }), /results of chunks/],
    [
      'a chunk in the middle',
      scanOf({ chunks: new Map([...TASK.chunks, [1, 'running']]), inputs: [] }),
      /with chunks that are running/,
    ],
    ['a chunk too few', scanOf({ chunks: new Map([[0, 'done']]), inputs: [] }), /2 chunks and 1 entries/],
    ['a job that is left', scanOf({}, { jobs: [job] }), /is left, in active/],
    ['a job that was given up', scanOf({}, { failedJobs: ['a.1'] }), /failed by the queue/],
    ['a key without a lifetime', scanOf({}, { everlasting: ['millrace:{a}:out:0'] }), /no lifetime/],
    [
      'what was erased unasked',
      scanOf({ record: { ...TASK.record, erased_at: '1' } }),
      /erased: true, asked for: false/,
    ],
  ])('sees %s', (_, scan, problem) => {
    const details = storeProblems(scan, [KNOWN]).map(({ detail }) => detail);
    expect(details).toEqual([expect.stringMatching(problem)]);
  });

  it('sees rows of an erased task', () => {
    const scan = scanOf({ record: { ...TASK.record, erased_at: '1', chunks: '0' } });
    expect(storeProblems(scan, [{ ...KNOWN, isErased: true }])).toHaveLength(1);
  });

  it('sees one key with two accepted tasks', () => {
    const twin = { ...TASK, id: 'b', record: { ...TASK.record, request_id: 'r1-t0.4' } };
    const scan = {
      ...scanOf({}),
      tasks: new Map([
        ['a', TASK],
        ['b', twin],
      ]),
    };
    expect(storeProblems(scan, [KNOWN])).toEqual([
      { about: 'the key of r1-t0', detail: 'was accepted as a and b' },
    ]);
    expect(storeProblems(scan, [{ ...KNOWN, hasKey: false }])).toEqual([]);
  });

  it('counts uploads that nobody acknowledged apart', () => {
    const scan = scanOf({ record: { ...TASK.record, status: 'receiving' }, inputs: [0] }, { jobs: [job] });
    expect(storeProblems(scan, [])).toEqual([]);
    expect(abandonedUploads(scan, []).map(({ id }) => id)).toEqual(['a']);
    expect(abandonedUploads(scan, [KNOWN])).toEqual([]);
  });
});

describe('the caller', () => {
  async function violationsOf(listener: RequestListener): Promise<string[]> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const found: string[] = [];
    const counts = { answered: 0, unavailable: 0, lost: 0 };
    const { port } = server.address() as AddressInfo;
    const caller = new Caller(port, counts, Date.now, (rule) => found.push(rule), 300);
    await caller.try({ method: 'GET', path: '/' });
    return found;
  }
  const answers =
    (status: number, type: string): RequestListener =>
    (_request, response) => {
      response.writeHead(status, { 'content-type': type }).end('{}');
    };

  it.each([
    [200, 'application/json', []],
    [503, 'application/problem+json', []],
    [404, 'application/problem+json', []],
    [500, 'application/problem+json', ['answer']],
    [503, 'text/html', ['answer']],
    [404, 'text/html', ['answer']],
  ])('judges %i as %s', async (status, type, rules) => {
    expect(await violationsOf(answers(status, type))).toEqual(rules);
  });

  it('sees a call that is never answered', async () => {
    expect(await violationsOf(() => {})).toEqual(['hang']);
  });

  it('sees an answer that never ends', async () => {
    expect(await violationsOf((_request, response) => void response.write('{'))).toEqual(['hang']);
  });

  it('takes a connection that breaks off for a fault', async () => {
    expect(await violationsOf((request) => request.socket.destroy())).toEqual([]);
  });
});

describe('a plan', () => {
  it('is the same for the same seed, and another one for another', () => {
    expect(planRounds(5, 4)).toEqual(planRounds(5, 4));
    expect(planRounds(5, 4)).not.toEqual(planRounds(6, 4));
    expect(planRounds(5, 4).slice(0, 2)).toEqual(planRounds(5, 2));
  });
});

describe('the command line', () => {
  it('says what a run is to be', () => {
    const options = readOptions([
      '--rounds',
      '200',
      '--seed',
      '7',
      '--bound',
      '60',
      '--abandoned',
      '30',
      '--json',
    ]);
    expect(options).toEqual({ rounds: 200, seed: 7, boundMs: 60_000, abandonedMs: 30_000, json: true });
  });

  it.each([
    ['--rounds', '0'],
    ['--seed', 'x'],
    ['--bound', '1.5'],
    ['--cycles', '3'],
  ])('refuses %s %s by its name', (name, value) => {
    expect(() => readOptions([name, value])).toThrow(name);
  });
});

it('percentiles are values that were measured', () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect([percentile(values, 0.5), percentile(values, 0.99), percentile([7], 0.99)]).toEqual([100, 198, 7]);
});
