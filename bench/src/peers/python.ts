/** A Python service of bench/recipe as a peer: submits by POST, polls for the result. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { HttpClient } from '../http-client.js';
import type { PeerName } from '../options.js';
import { PythonProcess } from '../python-process.js';
import { checkJson } from '../result-reader.js';
import { ROOT } from '../root.js';
import type { ProcessIds } from '../usage/usage-meter.js';
import type { Delivery, Peer } from './peer.js';

const START = join(ROOT, 'bench/recipe/start.py');
/** The first start makes a virtual environment. */
const START_MS = 900_000;
/** How each is started, chosen for two cores. */
const ARGUMENTS: Record<PeerName, readonly string[]> = {
  recipe: ['--api-processes', '1', '--workers', '2', '--broker', 'rabbitmq'],
  tuned: ['--api-processes', '2', '--workers', '2', '--broker', 'redis'],
};

/** What the start script prints in one line when everything is ready. */
interface Started {
  url: string;
  pids: Record<string, number[]>;
  versions: Record<string, string>;
  settings?: Record<string, string>;
}

/** Whether the script is there at all. */
export function hasPythonPeers(): boolean {
  return existsSync(START);
}

export class PythonPeer implements Peer {
  /** Intervals of which `pollMs` was found to be the fastest. */
  pollMsTried: readonly number[] = [];
  /** Where its results are; undefined when it does not say. */
  private readonly results: Redis | undefined;

  private constructor(
    readonly name: PeerName,
    private readonly process: PythonProcess,
    private readonly started: Started,
    private readonly http: HttpClient,
    /** Between two looks for a result. */
    public pollMs: number,
  ) {
    const url = started.settings?.result_url;
    if (url !== undefined) this.results = new Redis(url);
    this.results?.on('error', () => {});
  }

  /** @param pollMs between two looks for a result @throws Error with the end of what it said when it does not start */
  static async start(name: PeerName, pollMs: number, signal: AbortSignal): Promise<PythonPeer> {
    const process = PythonProcess.start(START, ['--variant', name, ...ARGUMENTS[name]]);
    try {
      const started = await process.hear<Started>(AbortSignal.any([signal, AbortSignal.timeout(START_MS)]));
      const http = new HttpClient(started.url, signal);
      return new PythonPeer(name, process, started, http, pollMs);
    } catch (error) {
      await process.stop();
      throw new Error(`${name} did not start: ${(error as Error).message}`);
    }
  }

  get ids(): ProcessIds {
    return this.started.pids;
  }

  get versions(): Record<string, string> {
    return this.started.versions;
  }

  get settings(): Record<string, string> {
    const tried = this.pollMsTried.length === 0 ? {} : { poll_ms_tried: this.pollMsTried.join(', ') };
    return { ...this.started.settings, poll_ms: String(this.pollMs), ...tried };
  }

  async predict(body: Uint8Array): Promise<Delivery> {
    const headers = { 'content-type': 'application/json' };
    const submitted = await this.http.call(
      { method: 'POST', path: '/batch-predict', headers, body },
      [200, 202],
    );
    const { task_id: id } = JSON.parse(submitted.body.toString()) as { task_id: string };
    const ask = { method: 'GET', path: `/batch-result/${id}` } as const;
    let result = await this.http.call(ask, [200, 202]);
    let polls = 1;
    for (; isPending(result.body); polls++) {
      await delay(this.pollMs);
      result = await this.http.call(ask, [200, 202]);
    }
    return { polls, check: (check) => checkJson(result.body, check) };
  }

  /** They would be kept for an hour, and pile up from run to run. */
  async forget(): Promise<void> {
    await this.results?.flushdb();
  }

  async stop(): Promise<void> {
    this.http.close();
    this.results?.disconnect();
    await this.process.stop();
  }
}

/** An answer without predictions is short. */
function isPending(body: Buffer): boolean {
  return body.length < 200 && /"status":\s*"pending"/.test(body.toString());
}
