/** What is to happen in each round, drawn from the seed before anything happens: tasks, and the faults that strike them. */
import { BODIES, type BodySpec, CRASHING, HANGING } from './bodies.js';
import { Draw } from './draw.js';

/** Faults of processes and of Redis; `cut_upload` and `cut_download` are the clients' own and belong to tasks. */
export const FAULTS = [
  'kill_worker',
  'kill_api',
  'stop_worker',
  'stop_api',
  'terminate_worker',
  'terminate_api',
  'restart_redis',
  'kill_redis',
  'kill_connections',
  'pause_redis',
  'fill_redis',
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface FaultPlan {
  kind: FaultKind;
  /** From the beginning of the round, in ms. */
  atMs: number;
  /** How long it lasts, where it does. */
  forMs: number;
  /** Which worker, where it is one. */
  worker: number;
}

export interface TaskPlan {
  body: BodySpec;
  atMs: number;
  /** Sent with an Idempotency-Key, so that a lost answer is no second task. */
  hasKey: boolean;
  /** With a key: by two senders at once. */
  isTwofold: boolean;
  /** The body goes out in so many pieces, with a pause in between. */
  pieces: number;
  /** The first attempt breaks off in mid-upload. */
  cutsUpload: boolean;
  /** The first download breaks off. */
  cutsDownload: boolean;
  expiresInSeconds?: number;
  /** What its client does to it after it was accepted. */
  ends?: { how: 'cancel' | 'erase'; afterMs: number };
  /** Rows of a page for one who follows the cursor; absent for one who polls. */
  pageRows?: number;
}

export interface RoundPlan {
  /** Counts from 1. */
  round: number;
  tasks: TaskPlan[];
  faults: FaultPlan[];
}

export const WORKERS = 3;
const TASKS = { low: 5, high: 9 };
/** Tasks and faults begin within this time. */
const WINDOW_MS = 2_500;
const FAULTS_PER_ROUND = 4;
/** Stopped processes sleep for longer than their locks and leases last, and some for longer than a chunk may take. */
const SLEEP_MS = { low: 2_500, high: 5_000 };
/** Of a task that is read by the cursor; none has more than the API allows. */
const PAGES = 20;
const PAGE_MAX = 10_000;
const OUTAGE_MS = { low: 0, high: 1_500 };

export function planRounds(seed: number, rounds: number): RoundPlan[] {
  const draw = new Draw(seed);
  let deck: FaultKind[] = [];
  return Array.from({ length: rounds }, (_, index) => {
    // From a deck, so that every kind strikes before one strikes again.
    if (deck.length < FAULTS_PER_ROUND) deck = [...deck, ...draw.shuffled(FAULTS)];
    const kinds = deck.splice(0, FAULTS_PER_ROUND);
    return { round: index + 1, tasks: planTasks(draw), faults: kinds.map((kind) => planFault(draw, kind)) };
  });
}

function planFault(draw: Draw, kind: FaultKind): FaultPlan {
  const lasts = kind === 'stop_worker' || kind === 'stop_api' ? SLEEP_MS : OUTAGE_MS;
  return {
    kind,
    atMs: draw.int(0, WINDOW_MS),
    forMs: draw.int(lasts.low, lasts.high),
    worker: draw.int(0, WORKERS - 1),
  };
}

function planTasks(draw: Draw): TaskPlan[] {
  const bodies = Array.from({ length: draw.int(TASKS.low, TASKS.high) }, () => draw.one(BODIES));
  if (draw.chance(0.2)) bodies.push(draw.one(CRASHING));
  if (draw.chance(0.04)) bodies.push(HANGING);
  return bodies.map((body) => planTask(draw, body));
}

function planTask(draw: Draw, body: BodySpec): TaskPlan {
  const hasKey = draw.chance(0.5);
  const plan: TaskPlan = {
    body,
    atMs: draw.int(0, WINDOW_MS),
    hasKey,
    isTwofold: hasKey && draw.chance(0.3),
    pieces: draw.chance(0.4) ? draw.int(2, 12) : 1,
    cutsUpload: draw.chance(0.15),
    cutsDownload: draw.chance(0.2),
  };
  if (draw.chance(0.1)) plan.expiresInSeconds = draw.int(1, 3);
  if (draw.chance(0.25)) {
    plan.ends = { how: draw.one(['cancel', 'erase'] as const), afterMs: draw.int(0, 1_500) };
  }
  if (draw.chance(0.4)) plan.pageRows = Math.min(PAGE_MAX, Math.ceil(body.rows / draw.int(1, PAGES)));
  return plan;
}
