/** Small and idle: jobs of few rows, each answered in the request that submits it (the Python peers are polled). */
import { fastestOf } from '../fastest.js';
import { measureRun } from '../measure.js';
import type { Peer } from '../peers/peer.js';
import type { PythonPeer } from '../peers/python.js';
import type { Sample } from '../report.js';
import { irisWorkload } from '../workloads/iris.js';
import { FLOOR_REFERENCES, openFloor } from './floor-variant.js';
import { requestsOf, sendAll } from './requests.js';
import { type OpenScenario, type ScenarioContext, THREADS, type Variant } from './scenario.js';
import { startMillrace } from './start-millrace.js';

interface JobSize {
  rowsPerJob: number;
  clients: number;
  /** One job for so many rows of bulk. */
  share: number;
  /** That one job can keep busy. */
  floorThreads: number;
  /** Between two looks of a client of a Python peer; where there are several, the fastest is found out. */
  pollMs: readonly [number, ...number[]];
}

const SMALL: JobSize = {
  rowsPerJob: 10,
  clients: 32,
  share: 500,
  floorThreads: THREADS,
  pollMs: [5, 10, 20, 40],
};
const IDLE: JobSize = { rowsPerJob: 1, clients: 1, share: 1_000, floorThreads: 1, pollMs: [1] };
const JOBS_MIN = 10;
/** An interval is tried with so large a part of the jobs, so often. */
const TRIED_PART = 4;
const TURNS = 2;

export const small = (context: ScenarioContext): Promise<OpenScenario> => jobsScenario(context, SMALL);
export const idle = (context: ScenarioContext): Promise<OpenScenario> => jobsScenario(context, IDLE);

async function jobsScenario(context: ScenarioContext, size: JobSize): Promise<OpenScenario> {
  const { rowsPerJob, clients, floorThreads: threads } = size;
  const jobs = Math.max(JOBS_MIN, Math.round(context.options.rows / size.share));
  const rows = jobs * rowsPerJob;
  const workload = irisWorkload(rows);
  const {
    floor,
    variant: floorVariant,
    expected,
  } = await openFloor(context, workload, { threads, rowsPerJob });
  const millrace = await startMillrace(context, workload);
  const pythons = await context.startPythonPeers(size.pollMs[0]);
  const requests = requestsOf(workload.rows, rows, rowsPerJob);
  const some = requestsOf(workload.rows, Math.ceil(jobs / TRIED_PART) * rowsPerJob, rowsPerJob);
  for (const peer of pythons) {
    await choosePollMs(peer, size.pollMs, () =>
      measureRun(peer, { rows: some.rows }, () => sendAll(peer, some, clients, expected)),
    );
  }
  const variantOf = (peer: Peer): Variant => {
    const work = () => sendAll(peer, requests, clients, expected);
    const run = () => measureRun(peer, { rows, jobs }, work);
    return { name: peer.name, run: async () => ({ [peer.name]: await run() }) };
  };
  return {
    unit: 'jobs/s',
    variants: [floorVariant, ...[millrace, ...pythons].map(variantOf)],
    references: [...FLOOR_REFERENCES, ...pythons.map(({ name }) => name)],
    described: [floor, millrace, ...pythons],
  };
}

/** Looks cost a peer as much as they hasten its answers: it gets the interval at which it is the fastest. */
async function choosePollMs(
  peer: PythonPeer,
  candidates: readonly number[],
  run: () => Promise<Sample>,
): Promise<void> {
  if (candidates.length === 1) return;
  // Not counted: whoever is tried first must not pay for what is done once.
  await run();
  peer.pollMs = await fastestOf(candidates, TURNS, async (pollMs) => {
    peer.pollMs = pollMs;
    return (await run()).seconds;
  });
  peer.pollMsTried = candidates;
}
