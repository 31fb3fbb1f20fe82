/** Small and idle: jobs of few rows, each answered in the request that submits it (the Python peers are polled). */
import { measureRun } from '../measure.js';
import type { Peer } from '../peers/peer.js';
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
  /** Between two looks of a client of a Python peer. */
  pollMs: number;
}

const SMALL: JobSize = { rowsPerJob: 10, clients: 32, share: 500, floorThreads: THREADS, pollMs: 5 };
const IDLE: JobSize = { rowsPerJob: 1, clients: 1, share: 1_000, floorThreads: 1, pollMs: 1 };
const JOBS_MIN = 10;

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
  const pythons = await context.startPythonPeers(size.pollMs);
  const requests = requestsOf(workload.rows, rows, rowsPerJob);
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
