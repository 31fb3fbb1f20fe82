/** Millrace as a peer: how its clients submit rows and read results. */
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { HttpClient } from '../http-client.js';
import type { PredictionCheck } from '../prediction-check.js';
import { checkArrow, checkCsv, checkJson, checkNdjson, type Pieces } from '../result-reader.js';
import { RedisMeter } from '../usage/redis-meter.js';
import type { ProcessIds } from '../usage/usage-meter.js';
import type { Delivery, Peer } from './peer.js';
import { Platform, type PlatformOptions } from './platform.js';

const MEDIA_TYPES = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  arrow: 'application/vnd.apache.arrow.stream',
} as const;

/** What goes through in one request of any size. */
export type StreamFormat = 'ndjson' | 'csv' | 'arrow';
type LineFormat = Exclude<StreamFormat, 'arrow'>;

/** At most so long an answer is held; then it is asked for again. */
const WAIT = { prefer: 'wait=60' };
const ERASED_AT_ONCE = 16;
/** A model is proved within seconds, a worker that wakes beats within two. */
const READY_MS = 60_000;
/** Between two looks for that: without a pause, they would take a core from what is getting ready. */
const LOOK_MS = 20;

export class Millrace implements Peer {
  /** Tasks that were made since the last `forget`. */
  private tasks: string[] = [];

  private constructor(
    readonly name: string,
    readonly platform: Platform,
    private readonly http: HttpClient,
    private readonly model: string,
    readonly versions: Record<string, string>,
    readonly settings: Record<string, string>,
  ) {}

  /** Resolves when the model is served; tasks go to the first of the options. @param name where there are several */
  static async start(options: PlatformOptions, name = 'millrace'): Promise<Millrace> {
    const platform = await Platform.start(options);
    try {
      const http = new HttpClient(platform.url, options.signal);
      const [model = ''] = Object.keys(options.models);
      const settings = { ...platform.settings, micro_batch: await servedMicroBatch(http, model) };
      const versions = { node: process.versions.node, redis: await platform.redisVersion() };
      return new Millrace(name, platform, http, model, versions, settings);
    } catch (error) {
      await platform.stop();
      throw error;
    }
  }

  get ids(): ProcessIds {
    return this.platform.ids;
  }

  async predict(body: Uint8Array): Promise<Delivery> {
    const headers = { 'content-type': MEDIA_TYPES.json, ...WAIT };
    const path = `/batch-predict?model=${this.model}`;
    const answer = await this.http.call({ method: 'POST', path, headers, body }, [200, 202]);
    const id = this.remember(answer.body);
    let result = answer.body;
    while (!isFinished(result)) {
      const ask = { method: 'GET', path: `/batch-result/${id}`, headers: WAIT } as const;
      result = (await this.http.call(ask, [200])).body;
    }
    return { check: (check) => checkJson(result, check) };
  }

  /** Submits rows as a stream, and reads the result in the same format, lines while the task still runs. */
  async predictStream(format: StreamFormat, pieces: Pieces): Promise<StreamDelivery> {
    const startedAt = performance.now();
    const id = await this.submit(format, pieces);
    const acceptedAt = performance.now();
    const response = await (format === 'arrow' ? this.openResult(id, format) : this.follow(id, format));
    const result = (await response.toArray()) as Buffer[];
    const deliveredAt = performance.now();
    return {
      phases_seconds: {
        upload: (acceptedAt - startedAt) / 1000,
        result: (deliveredAt - acceptedAt) / 1000,
      },
      stepSeconds: () => this.stepSeconds(id),
      check: (check) => checkStream(format, result, check),
    };
  }

  /** @returns the task's id, once all rows are accepted */
  async submit(format: StreamFormat, body: Pieces): Promise<string> {
    const headers = { 'content-type': MEDIA_TYPES[format] };
    const path = `/batch-predict?model=${this.model}`;
    return this.remember((await this.http.call({ method: 'POST', path, headers, body }, [202])).body);
  }

  /** @returns the task's rows as they are finished, still to be read; it ends with the task */
  follow(id: string, format: LineFormat): Promise<IncomingMessage> {
    const headers = { accept: MEDIA_TYPES[format] };
    return this.http.open({ method: 'GET', path: `/batch-result/${id}?follow=true`, headers }, [200]);
  }

  /** Waits for the task's end. @returns its result, still to be read */
  private async openResult(id: string, format: StreamFormat): Promise<IncomingMessage> {
    const headers = { accept: MEDIA_TYPES[format], ...WAIT };
    const ask = { method: 'GET', path: `/batch-result/${id}`, headers } as const;
    for (;;) {
      const response = await this.http.open(ask, [200, 202]);
      if (response.statusCode === 200) return response;
      response.resume();
    }
  }

  /** Where the time of a finished task's chunks went, by step. */
  async stepSeconds(id: string): Promise<Record<string, number>> {
    // A page of one row: the task's status without its predictions.
    const { seconds } = await this.readPage(id, 1);
    if (seconds === undefined) throw new Error(`no chunk of ${id} is done`);
    return seconds;
  }

  /** Some of the finished rows of a task, and how many are done in all. */
  async readPage(id: string, rows: number, after = 0): Promise<TaskPage> {
    const path = `/batch-result/${id}?after=${after}&limit=${rows}`;
    const { body } = await this.http.call({ method: 'GET', path }, [200]);
    return JSON.parse(body.toString()) as TaskPage;
  }

  /** Resolves when the API would accept tasks again, after its workers have slept. */
  async ready(): Promise<void> {
    await untilOk(this.http, '/readyz');
  }

  measureStore(): Promise<RedisMeter> {
    return RedisMeter.start(this.platform.redis);
  }

  async forget(): Promise<void> {
    const { tasks } = this;
    this.tasks = [];
    while (tasks.length > 0) {
      const some = tasks.splice(0, ERASED_AT_ONCE);
      await Promise.all(
        some.map((id) => this.http.call({ method: 'DELETE', path: `/batch-result/${id}` }, [204])),
      );
    }
  }

  async stop(): Promise<void> {
    this.http.close();
    await this.platform.stop();
  }

  private remember(answer: Buffer): string {
    const id = /"task_id":"([^"]+)"/.exec(head(answer))?.[1];
    if (id === undefined) throw new Error(`the answer has no task: ${head(answer)}`);
    this.tasks.push(id);
    return id;
  }
}

export interface StreamDelivery extends Delivery {
  phases_seconds: Record<'upload' | 'result', number>;
  stepSeconds(): Promise<Record<string, number>>;
}

export interface TaskPage {
  status: string;
  rows: { succeeded: number };
  /** Of its chunks, by step; absent before the first is done. */
  seconds?: Record<string, number>;
  results: { row: number; prediction: unknown }[];
  /** Where the page after this one begins. */
  next: number;
}

function checkStream(format: StreamFormat, result: Buffer[], check: PredictionCheck): void | Promise<void> {
  switch (format) {
    case 'ndjson':
      return checkNdjson(result, check);
    case 'csv':
      return checkCsv(result, check, true);
    case 'arrow':
      return checkArrow(Buffer.concat(result), check);
  }
}

/** Waits until a model is served. @returns its micro-batch @throws Error with the reason when it is refused */
async function servedMicroBatch(http: HttpClient, model: string): Promise<string> {
  const body = await untilOk(http, `/v1/models/${model}`);
  const { manifest } = JSON.parse(body) as { manifest?: { limits: { micro_batch: number } } };
  if (manifest === undefined) throw new Error(`${model} is not served: ${body}`);
  return String(manifest.limits.micro_batch);
}

/** Asks until the answer is 200. @throws Error with the last answer when it never is */
async function untilOk(http: HttpClient, path: string): Promise<string> {
  for (const end = performance.now() + READY_MS; ; await delay(LOOK_MS)) {
    const { status, body } = await http.call({ method: 'GET', path }, [200, 404, 503]);
    if (status === 200) return body.toString();
    if (performance.now() > end)
      throw new Error(`${path} is answered with ${status} ${body.toString('utf8', 0, 500)}`);
  }
}

/** Whether an answer as JSON is a result, and not the status of a task that still runs. */
function isFinished(answer: Buffer): boolean {
  const status = /"status":"([a-z_]+)"/.exec(head(answer))?.[1] ?? '';
  return !['receiving', 'pending', 'running'].includes(status);
}

/** As much as has the id and the status, without the rest of what may be large. */
function head(answer: Buffer): string {
  return answer.toString('utf8', 0, 300);
}
