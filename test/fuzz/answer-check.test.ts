import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../apps/api/dist/docs/document.js';
import { AnswerCheck } from '../../fuzz/dist/fuzz/src/answer-check.js';
import type { Call } from '../../fuzz/dist/fuzz/src/call.js';
import { CallMaker } from '../../fuzz/dist/fuzz/src/call-maker.js';
import { ApiDocument, type Operation } from '../../fuzz/dist/fuzz/src/document.js';

const document = new ApiDocument(JSON.parse(JSON.stringify(openApiDocument([]))));
const check = new AnswerCheck(document);
const ID = '00000000-0000-4000-8000-000000000000';
const TASK = {
  task_id: ID,
  status: 'pending',
  model: 'iris@1',
  rows: { total: 2, pending: 2, running: 0, succeeded: 0, invalid: 0, failed: 0, cancelled: 0, expired: 0 },
  created_at: null,
  started_at: null,
  finished_at: null,
  expires_at: null,
};
const PROBLEM = { type: 't', title: 't', status: 404, code: 'unknown_task', detail: 'd', request_id: 'r' };

function callOf(method: string, path: string, change: Partial<Call> = {}): Call {
  const operation = document.find(method, path) ?? (document.operations[0] as Operation);
  return { index: 0, operation, method, path, headers: {}, delivery: 'whole', ...change };
}

function answer(status: number, body: unknown, type = 'application/json', headers = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    kind: 'answered' as const,
    status,
    headers: { 'x-request-id': 'r', 'content-type': type, ...headers },
    body: Buffer.from(text),
  };
}

const POLL = callOf('GET', `/batch-result/${ID}?outputs=all`);
const SUBMIT = callOf('POST', '/batch-predict', { rows: 2 });
const TAKEN = { location: '/', 'retry-after': '1' };
const PROBLEM_TYPE = 'application/problem+json';

describe('an answer as documented', () => {
  it.each([
    ['a task', POLL, answer(200, TASK)],
    ['a task that was accepted', SUBMIT, answer(202, TASK, 'application/json; charset=utf-8', TAKEN)],
    ['lines', POLL, answer(200, '{"row":0}\n{"row":1}\n', 'application/x-ndjson')],
    ['a refusal', POLL, answer(404, PROBLEM, PROBLEM_TYPE)],
    ['nothing', callOf('DELETE', `/batch-result/${ID}`), answer(204, '')],
    [
      'a method that is not taken',
      callOf('PATCH', `/batch-result/${ID}`),
      answer(405, { ...PROBLEM, status: 405, code: 'method_not_allowed' }, PROBLEM_TYPE, { allow: 'GET' }),
    ],
    [
      'a path that is not there',
      callOf('GET', '/nothing'),
      answer(404, { ...PROBLEM, code: 'not_found' }, PROBLEM_TYPE),
    ],
  ])('has no problem: %s', (_, call, found) => {
    expect(check.problems(call, found)).toEqual([]);
  });
});

describe('any other answer', () => {
  it.each([
    ['a fault', POLL, answer(500, PROBLEM), /^status 500/],
    ['an outage that there is not', POLL, answer(503, PROBLEM), /^status 503/],
    ['another status', POLL, answer(418, {}), /^status 418 is not documented/],
    [
      'no request id',
      POLL,
      answer(200, TASK, 'application/json', { 'x-request-id': undefined }),
      /^it has no X-Request-Id/,
    ],
    [
      'another content type',
      POLL,
      answer(200, 'x', 'text/html'),
      /^content type text\/html is not documented/,
    ],
    ['another body', POLL, answer(200, { ...TASK, status: 'lost' }), /^the body is not as documented/],
    ['no JSON', POLL, answer(200, '{'), /^the body is not JSON/],
    [
      'a missing header',
      callOf('POST', '/batch-predict'),
      answer(202, TASK, 'application/json', { location: '/' }),
      /^it has no Retry-After/,
    ],
    [
      'a code of another operation',
      POLL,
      answer(404, { ...PROBLEM, code: 'unknown_model' }, PROBLEM_TYPE),
      /^the body is not as documented/,
    ],
    [
      'the id of another request',
      POLL,
      answer(404, { ...PROBLEM, request_id: 'q' }, PROBLEM_TYPE),
      /^request_id is not/,
    ],
    [
      'a line cut short',
      POLL,
      answer(200, '{"row":0}\n{"ro', 'application/x-ndjson'),
      /^the last line has no end/,
    ],
    ['a broken line', POLL, answer(200, '{"row":0\n', 'application/x-ndjson'), /^a line is not JSON/],
    [
      'content where there is none',
      callOf('DELETE', `/batch-result/${ID}`),
      answer(204, 'x'),
      /^1 bytes where/,
    ],
    ['a good request refused', SUBMIT, answer(422, PROBLEM, PROBLEM_TYPE), /^2 good rows came to 422/],
    [
      'rows that were lost',
      SUBMIT,
      answer(202, { ...TASK, rows: { ...TASK.rows, total: 1 } }, 'application/json', TAKEN),
      /^2 good rows came to 202/,
    ],
    [
      'a method that is taken all the same',
      callOf('PATCH', `/batch-result/${ID}`),
      answer(200, TASK),
      /^status 200 with code undefined/,
    ],
  ])('is found out: %s', (_, call, found, problem) => {
    expect(check.problems(call, found)[0]).toMatch(problem);
  });
});

it('the same seed and place make the same request, whatever was seen before', () => {
  const make = (seed: number, index: number, tasks: string[]) => {
    const { operation: _, ...call } = new CallMaker(document, seed, ['key']).make(index, {
      tasks,
      cursors: [],
    });
    return { ...call, path: call.path.replace(/[0-9a-f-]{36}/, 'id') };
  };
  const made = Array.from({ length: 200 }, (_, index) => make(7, index, []));
  expect(Array.from({ length: 200 }, (_, index) => make(7, index, [ID, ID, ID]))).toEqual(made);
  expect(Array.from({ length: 200 }, (_, index) => make(8, index, []))).not.toEqual(made);
});
