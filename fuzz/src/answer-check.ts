/** The answer check is responsible for holding an answer against what the document says of its operation. */
import { Ajv2020, type AnySchemaObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Call } from './call.js';
import type { ApiDocument, Json, Operation, Response } from './document.js';
import type { Outcome } from './send.js';

const PROBLEM = 'application/problem+json';
const DOCUMENT = 'openapi';

type Answer = Extract<Outcome, { kind: 'answered' | 'endless' }>;

export class AnswerCheck {
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false });
  private readonly validators = new Map<string, ValidateFunction>();

  constructor(private readonly document: ApiDocument) {
    this.ajv.addSchema({ ...document.root, $id: DOCUMENT } as AnySchemaObject);
  }

  /** What is wrong with an answer; nothing when it is as documented. */
  problems(call: Call, answer: Answer): string[] {
    const { status, headers } = answer;
    if (status >= 500) return [`status ${status}: ${answer.body.toString().slice(0, 500)}`];
    const problems = headers['x-request-id'] === undefined ? ['it has no X-Request-Id'] : [];
    const [path = ''] = call.path.split('?');
    const operation = this.document.find(call.method === 'HEAD' ? 'GET' : call.method, path);
    if (operation === undefined) return [...problems, ...this.refusalProblems(call, path, answer)];
    const response = operation.responses[status];
    if (response === undefined)
      return [`status ${status} is not documented: ${answer.body.toString().slice(0, 300)}`];
    problems.push(...headerProblems(response, answer), ...rowProblems(call, answer));
    if (call.method !== 'HEAD') problems.push(...this.bodyProblems(operation, response, answer));
    return problems;
  }

  /** Of a path or method that the document does not have. */
  private refusalProblems(call: Call, path: string, answer: Answer): string[] {
    const { status, headers, body } = answer;
    const code = jsonOf(body)?.code;
    if (call.method === 'HEAD')
      return status === 405 || status === 404 || status === 401 ? [] : [`status ${status}`];
    const isRefused =
      this.document.hasPath(path) && isDecodable(path)
        ? status === 405 && code === 'method_not_allowed' && headers.allow !== undefined
        : status === 404 && code === 'not_found';
    const isElsewhere = UNDOCUMENTED.test(path) || status === 401;
    const problems =
      isRefused || isElsewhere ? [] : [`status ${status} with code ${code} for what is not there`];
    return isElsewhere
      ? problems
      : [...problems, ...this.schemaProblems('/components/schemas/Problem', body)];
  }

  private bodyProblems(operation: Operation, { content }: Response, answer: Answer): string[] {
    const { body, headers, status } = answer;
    if (content === undefined)
      return body.length === 0 ? [] : [`${body.length} bytes where there is no content`];
    const type = String(headers['content-type']).split(';')[0] ?? '';
    if (content[type] === undefined) return [`content type ${type} is not documented for ${status}`];
    if (/json$/.test(type) && !/ndjson$/.test(type)) {
      const steps = [
        'paths',
        operation.path,
        operation.method.toLowerCase(),
        'responses',
        status,
        'content',
        type,
        'schema',
      ];
      const problems = this.schemaProblems(pointerOf(steps), body);
      return type === PROBLEM ? [...problems, ...requestIdProblems(answer)] : problems;
    }
    return /ndjson$/.test(type) ? lineProblems(answer) : [];
  }

  /** @param pointer of the schema in the document */
  private schemaProblems(pointer: string, body: Buffer): string[] {
    const value = jsonOf(body);
    if (value === undefined) return [`the body is not JSON: ${body.toString().slice(0, 200)}`];
    let validate = this.validators.get(pointer);
    if (validate === undefined) {
      validate = this.ajv.compile({ $ref: `${DOCUMENT}#${pointer}` });
      this.validators.set(pointer, validate);
    }
    if (validate(value)) return [];
    const shown = (validate.errors ?? []).slice(0, 5).map((each) => `${each.instancePath} ${each.message}`);
    return [`the body is not as documented (${shown.join('; ')}): ${body.toString().slice(0, 500)}`];
  }
}

/** A path that is not well encoded is none, whatever it looks like. */
function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** The page that shows the document is no part of the API. */
const UNDOCUMENTED = /^\/docs(\/|$)/i;

function headerProblems({ headers = {} }: Response, answer: Answer): string[] {
  const required = Object.entries(headers).filter(([, { required }]) => required === true);
  return required
    .filter(([name]) => answer.headers[name.toLowerCase()] === undefined)
    .map(([name]) => `it has no ${name}`);
}

/** A request without any fault must be taken, with all of its rows. */
function rowProblems({ rows }: Call, { status, body }: Answer): string[] {
  if (rows === undefined) return [];
  const total = jsonOf(body)?.rows?.total;
  // Chunks of an upload that is over are all counted.
  return status === 202 && total === rows
    ? []
    : [`${rows} good rows came to ${status}: ${body.toString().slice(0, 500)}`];
}

function requestIdProblems({ headers, body }: Answer): string[] {
  return jsonOf(body)?.request_id === headers['x-request-id']
    ? []
    : ['request_id is not that of X-Request-Id'];
}

/** Of one that has not come to its end, the last line may be a part of one. */
function lineProblems({ kind, body }: Answer): string[] {
  const lines = body.toString().split('\n');
  const last = lines.pop();
  if (kind === 'answered' && last !== '') return ['the last line has no end'];
  const bad = lines.find((line) => jsonOf(Buffer.from(line)) === undefined);
  return bad === undefined ? [] : [`a line is not JSON: ${bad.slice(0, 200)}`];
}

export function jsonOf(body: Buffer): Json {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function pointerOf(steps: readonly (string | number)[]): string {
  const escaped = steps.map((step) => String(step).replaceAll('~', '~0').replaceAll('/', '~1'));
  return escaped.map((step) => `/${encodeURIComponent(step)}`).join('');
}
