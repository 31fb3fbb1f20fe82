/** The call maker is responsible for the next request: one that an operation of the document asks for, whole or spoilt. */
import { arrowBody } from './arrow-body.js';
import type { Call, Delivery } from './call.js';
import type { ApiDocument, Json, Operation, Parameter, Schema } from './document.js';
import { Random } from './random.js';
import { SchemaValues } from './schema-values.js';
import { encode, JUNK_TEXTS, spoilBytes, spoilValue } from './spoil.js';

/** What earlier answers have told. */
export interface Seen {
  /** Ids of tasks, of whatever became of them. */
  tasks: string[];
  /** Cursors of pages. */
  cursors: string[];
}

/** A request before it is put together. */
interface Draft extends Call {
  parameters: Map<Parameter, string>;
  query: [name: string, value: string][];
  /** The rows of the body, where it has some. */
  sent: Json[];
  /** The body, where it is JSON without rows. */
  value?: Json;
  type: string;
  isFaultless: boolean;
}

const SPOILT = 0.6;
const ROWS_MAX = 12;
/** A few tasks are larger; but in JSON, which is bounded, they have more rows than a chunk. */
const MANY_ROWS = 1_000;
const MANY_LINES = 70_000;
const KEYS = 40;
const ARROW = 'application/vnd.apache.arrow.stream';
/** Most requests are texts: of the other bodies many are refused at their first bytes. */
const TEXT_WEIGHT = 3;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'];
const TYPES = [
  'text/plain',
  'application/xml',
  'application/json; charset=utf-16',
  'application/json;charset="UTF-8"',
  'APPLICATION/JSON',
  'text/csv; header=absent',
  'application/ndjson',
  'application/jsonl',
  'application/vnd.apache.arrow.stream',
  'application/x-parquet',
  'multipart/form-data; boundary=x',
  'constructor',
  ';',
];

export class CallMaker {
  /** @param keys of clients; without any, the API takes everybody */
  constructor(
    private readonly document: ApiDocument,
    private readonly seed: number,
    private readonly keys: readonly string[],
  ) {}

  make(index: number, seen: Seen): Call {
    const random = new Random(this.seed, index);
    const draft = this.draft(random, index, seen);
    const faults = random.chance(SPOILT) ? 1 + random.below(2) : 0;
    for (let fault = 0; fault < faults; fault++) {
      draft.isFaultless = false;
      random.pick(FAULTS)(random, draft);
    }
    return finish(draft);
  }

  private draft(random: Random, index: number, seen: Seen): Draft {
    const operation = random.pick(
      this.document.operations.flatMap((each) => Array(weightOf(each)).fill(each)),
    );
    const draft: Draft = {
      index,
      operation,
      method: operation.method,
      path: operation.path,
      headers: {},
      delivery: 'whole',
      parameters: new Map(),
      query: [],
      sent: [],
      type: '',
      isFaultless: true,
    };
    const [main, ...others] = this.keys;
    const key = random.chance(0.9) ? main : random.pick([...others, undefined]);
    if (key !== undefined) draft.headers.authorization = `Bearer ${key}`;
    const model = this.addBody(random, draft);
    for (const parameter of operation.parameters) this.addParameter(random, draft, parameter, model, seen);
    const types = Object.keys(operation.responses['200']?.content ?? {});
    if (types.length > 1 && random.chance(0.5)) draft.headers.accept = random.pick(types);
    if (key !== main) draft.isFaultless = false;
    return draft;
  }

  /** @returns the model whose rows the body has, if it has rows */
  private addBody(random: Random, draft: Draft): string | undefined {
    const { bodies } = draft.operation;
    if (bodies.length === 0) return undefined;
    const body = random.pick(bodies.flatMap((each) => Array(isText(each.type) ? TEXT_WEIGHT : 1).fill(each)));
    // The document has no example of what is no text, but of the same rows as text.
    const told =
      body.type === ARROW ? bodies.flatMap((each) => Object.keys(each.examples)) : Object.keys(body.examples);
    const [model] = told.length === 0 ? [] : [random.pick(told)];
    const schema = model === undefined ? undefined : this.document.rowSchema(model);
    const values = new SchemaValues(this.document, random);
    draft.type = body.type;
    draft.headers['content-type'] = body.type;
    if (schema === undefined) {
      const example = model === undefined ? undefined : body.examples[model];
      const value = example !== undefined && random.chance(0.7) ? example : values.of(body.schema);
      draft.value = value;
      draft.body = Buffer.from(textOf(value));
      draft.isFaultless = false;
      return undefined;
    }
    const shape = [ARROW, 'text/csv'].includes(body.type) ? this.objectOf(schema) : schema;
    const rows = Array.from({ length: 1 + random.below(ROWS_MAX) }, () => values.of(shape));
    if (random.chance(0.02)) repeat(rows, body.type === 'application/json' ? MANY_ROWS : MANY_LINES);
    draft.sent = rows;
    draft.body =
      body.type === ARROW ? arrowBody(rows) : Buffer.from(bodyText(body.type, rows, random.chance(0.3)));
    return model;
  }

  private objectOf(schema: Schema): Schema {
    const found = this.document.resolve(schema);
    return found.anyOf?.find((each: Schema) => this.document.resolve(each).type === 'object') ?? found;
  }

  private addParameter(
    random: Random,
    draft: Draft,
    parameter: Parameter,
    model: string | undefined,
    seen: Seen,
  ): void {
    const values = new SchemaValues(this.document, random);
    const { name, examples, schema } = parameter;
    if (parameter.in === 'path') {
      const [known, unknown] = [recent(random, seen.tasks), random.uuid()];
      const value = examples.length > 0 ? random.pick(examples) : known;
      draft.parameters.set(parameter, (random.chance(0.95) ? value : undefined) ?? unknown);
      return;
    }
    if (model !== undefined && examples.includes(model)) {
      draft.query.push([name, model]);
      return;
    }
    if (!random.chance(0.2)) return;
    draft.isFaultless = false;
    if (parameter.in === 'header') {
      draft.headers[name.toLowerCase()] = headerValue(random, name, examples);
    } else {
      const [cursor = '0', value] = [recent(random, seen.cursors), values.of(schema)];
      draft.query.push([name, String(name === 'after' && random.chance(0.9) ? cursor : value)]);
    }
  }
}

/** What is neither text nor JSON has a name of somebody's in it. */
function isText(type: string): boolean {
  return !type.includes('vnd.');
}

function repeat(rows: Json[], count: number): void {
  while (rows.length < count) rows.push(...rows.slice(0, count - rows.length));
}

/** What takes rows is asked more often than the rest, and what is about one thing more often than lists. */
function weightOf({ bodies, path }: Operation): number {
  if (bodies.some(({ type }) => type === 'application/x-ndjson')) return 8;
  return bodies.length > 0 || path.includes('{') ? 3 : 1;
}

/** Mostly one of the last. As many choices are made whatever there is, so that the next ones do not depend on it. */
function recent(random: Random, all: readonly string[]): string | undefined {
  const among = random.chance(0.7) ? all.slice(-30) : all;
  return among[random.below(among.length)];
}

function headerValue(random: Random, name: string, examples: readonly Json[]): string {
  if (/^prefer$/i.test(name))
    return random.pick(['wait=0', 'wait=1', 'wait=1', 'respond-async, wait=2', ...examples]);
  return random.pick([`"fuzz ${random.below(KEYS)}"`, `fuzz-${random.below(KEYS)}`, ...examples]);
}

function bodyText(type: string, rows: readonly Json[], isEnvelope: boolean): string {
  if (type === 'application/x-ndjson') return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  if (type !== 'text/csv') return JSON.stringify(isEnvelope ? { inputs: rows } : rows);
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const line = (fields: Json[]) => `${fields.map(csvField).join(',')}\r\n`;
  return line(names) + rows.map((row) => line(names.map((name) => row[name]))).join('');
}

function csvField(value: Json): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : JSON.stringify(value);
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

type Fault = (random: Random, draft: Draft) => void;

const FAULTS: readonly Fault[] = [
  spoilBody,
  spoilBody,
  (random, draft) => {
    draft.body = spoilBytes(random, draft.body ?? Buffer.from('[]'));
  },
  (random, draft) => {
    const { encoding, bytes } = encode(random, draft.body ?? Buffer.from('[]'));
    draft.headers['content-encoding'] = encoding;
    draft.body = bytes;
  },
  (random, draft) => {
    const type = random.pick([...TYPES, undefined]);
    if (type === undefined) delete draft.headers['content-type'];
    else draft.headers['content-type'] = type;
  },
  (random, draft) => {
    const { query } = draft;
    const known = draft.operation.parameters.filter((each) => each.in === 'query').map(({ name }) => name);
    const name = random.pick([...known, ...known, 'modle', '__proto__', '', 'a[b]', 'x'.repeat(500)]);
    query.push([name, random.pick(JUNK_TEXTS)]);
    if (random.chance(0.3)) query.push(...query);
    if (random.chance(0.3)) query.shift();
  },
  (random, draft) => {
    const known = draft.operation.parameters.filter((each) => each.in === 'header').map(({ name }) => name);
    const name = random.pick([
      ...known,
      ...known,
      'accept',
      'x-request-id',
      'authorization',
      'accept-encoding',
      'range',
    ]);
    draft.headers[name.toLowerCase()] = sendable(
      random.pick([...JUNK_TEXTS, 'text/html', '*/*;q=0', 'wait=-1', 'bytes=0-1']),
    );
  },
  (random, draft) => {
    for (const parameter of draft.parameters.keys()) draft.parameters.set(parameter, random.pick(JUNK_TEXTS));
    if (draft.parameters.size === 0)
      draft.path = random.pick([
        `${draft.path}/`,
        draft.path.toUpperCase(),
        '/',
        '//',
        `${draft.path}/x`,
        '/v2',
      ]);
  },
  (random, draft) => {
    draft.method = random.pick(METHODS);
  },
  (random, draft) => {
    draft.delivery = random.pick<Delivery>(['pieces', 'chopped', 'chopped', 'silent', 'hasty', 'hasty']);
  },
];

/** A fault in one of the rows, which leaves the others as they are, or somewhere in a body without rows. */
function spoilBody(random: Random, draft: Draft): void {
  const { sent, type, value } = draft;
  if (value !== undefined) draft.body = Buffer.from(spoilValue(random, value));
  if (sent.length === 0) return;
  const at = random.below(sent.length);
  const texts = sent.map((row, index) => (index === at ? spoilValue(random, row) : JSON.stringify(row)));
  if (type === 'application/x-ndjson') draft.body = Buffer.from(`${texts.join('\n')}\n`);
  else if ([ARROW, 'text/csv'].includes(type)) draft.body = spoilBytes(random, draft.body ?? Buffer.alloc(0));
  else
    draft.body = Buffer.from(random.chance(0.5) ? `[${texts.join(',')}]` : `{"inputs":[${texts.join(',')}]}`);
}

function finish({ parameters, query, sent, isFaultless, type: _, value: __, ...call }: Draft): Call {
  let { path } = call;
  for (const [{ name }, value] of parameters) path = path.replace(`{${name}}`, inPath(value));
  if (query.length > 0)
    path += `?${query.map(([name, value]) => `${encodeURIComponent(name)}=${inQuery(value)}`).join('&')}`;
  const finished: Call = { ...call, path };
  if (isFaultless && sent.length > 0) finished.rows = sent.length;
  return finished;
}

/** What is an escape already, or a broken one, stays as it is. */
function inPath(value: string): string {
  return value.includes('%') ? value : encodeURIComponent(value);
}

function inQuery(value: string): string {
  return value.includes('%') ? value : encodeURIComponent(value).replaceAll('%20', '+');
}

/** Header values are latin1 on the wire. */
function sendable(text: string): string {
  return text.replaceAll(/[^\t -~\x80-\xff]/g, '?');
}
