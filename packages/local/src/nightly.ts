/**
 * `npm run nightly -- --date 2026-11-20`: runs the nightly recommendations of one date by hand, shows how far they have
 * come, and the first of them. Uses the platform that runs on this machine, or starts one for as long as it takes.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readConfig } from '@millrace/process/config';
import { z } from 'zod';
import { LocalSettings, withPlatform } from './local-platform.js';
import { Progress } from './progress.js';
import { runProgram, say } from './run-program.js';

const SCHEDULE = 'nightly-recommendations';
const LOOK_MS = 200;
const SHOWN_ROWS = 3;
const SHOWN_TITLES = 3;

const Run = z.object({
  status: z.string(),
  task_id: z.string().optional(),
  /** What it cannot begin, or go on, without. */
  waiting_for: z.string().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  written: z.object({ location: z.string(), rows: z.number(), sha256: z.string().optional() }).optional(),
});
type Run = z.infer<typeof Run>;
const Task = z.object({ rows: z.record(z.string(), z.number()) });
const Line = z.object({
  row: z.number(),
  prediction: z.object({ titles: z.array(z.string()) }).optional(),
});
const Problem = z.object({ code: z.string().optional(), detail: z.string() });
const Schedule = z.object({ timezone: z.string() });
const OPEN = new Set(['waiting', 'running']);

await runProgram(async (signal) => {
  const { values } = parseArgs({ options: { date: { type: 'string' } } });
  const settings = readConfig(LocalSettings, process.env);
  const url = `http://${settings.HOST}:${settings.PORT}`;
  if (await answers(url)) return nightly(url, values.date, signal);
  say(`Nothing answers at ${url}: the platform is started for this run.`);
  const own = { LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn', WORKER_PORT: '0', SCHEDULER_PORT: '0' };
  Object.assign(process.env, own, { PORT: '0' });
  await withPlatform({ ...settings, PORT: 0 }, say, signal, (ownUrl) => nightly(ownUrl, values.date, signal));
});

async function answers(url: string): Promise<boolean> {
  const response = await fetch(`${url}/healthz`).catch(() => undefined);
  return response?.ok === true;
}

/** @param given the date, or else it is today where the schedule is */
async function nightly(url: string, given: string | undefined, signal: AbortSignal): Promise<void> {
  const runs = `${url}/v1/schedules/${SCHEDULE}`;
  const { timezone } = await ask(runs, Schedule);
  const date = given ?? new Intl.DateTimeFormat('en-CA', { timeZone: timezone }).format(new Date());
  const body = JSON.stringify({ logical_date: date, force: true });
  const headers = { 'content-type': 'application/json' };
  const asked = await fetch(`${runs}/run`, { method: 'POST', headers, body });
  // One that is under way, because the platform has just found it, is followed.
  const problem = asked.ok ? undefined : Problem.parse(await asked.json());
  if (problem !== undefined && problem.code !== 'run_exists') throw new Error(problem.detail);
  const progress = new Progress(process.stderr, `${SCHEDULE} ${date}`);
  let run: Run;
  do {
    if (signal.aborted) return say('Stopped looking; the run goes on where the platform does.');
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    run = await ask(`${runs}/runs/${date}`, Run);
    // A worker may come yet; without a scheduler nothing does.
    if (run.status === 'waiting' && run.waiting_for !== undefined) {
      throw new Error(`the run waits: ${run.waiting_for}`);
    }
    if (run.task_id !== undefined) {
      const { rows } = await ask(`${url}/batch-result/${run.task_id}`, Task);
      const { total = 0, pending = 0, running = 0 } = rows;
      progress.show(total - pending - running, total);
    }
  } while (OPEN.has(run.status));
  progress.end();
  if (run.written === undefined) throw new Error(`the run ${run.status}: ${run.error?.message ?? ''}`);
  const { location, rows } = run.written;
  say(`${run.status}: ${rows} rows in ${location}`);
  await showFirst(location);
}

/** The first rows of a result, by title. */
async function showFirst(path: string): Promise<void> {
  const lines = (await readFile(path, 'utf8')).split('\n', SHOWN_ROWS);
  for (const line of lines) {
    const { row, prediction } = Line.parse(JSON.parse(line));
    const titles = prediction?.titles ?? [];
    process.stdout.write(`\nuser ${row + 1}\n`);
    for (const [place, title] of titles.slice(0, SHOWN_TITLES).entries()) {
      process.stdout.write(`  ${place + 1}. ${title}\n`);
    }
  }
}

/** @throws Error with what the platform says against it */
async function ask<T>(url: string, schema: z.ZodType<T>, request?: RequestInit): Promise<T> {
  const response = await fetch(url, request);
  const body: unknown = await response.json();
  if (response.ok) return schema.parse(body);
  throw new Error(Problem.safeParse(body).data?.detail ?? `${url} answered ${response.status}`);
}
