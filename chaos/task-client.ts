/** The client of one task: submits, follows, ends and reads it as planned, however often an answer is lost, and checks all it sees. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal } from '@millrace/batch/status';
import type { Body } from './bodies.js';
import { type Answer, type Caller, GaveUpError } from './caller.js';
import { linesOf, type Reference, resultPart, resultProblems } from './compare-result.js';
import { CursorWatch, type ResultPage } from './cursor-watch.js';
import type { Call } from './http-call.js';
import { LedgerWatch, type TaskView } from './ledger-watch.js';
import type { TaskPlan } from './plan.js';
import type { Rule } from './violations.js';

/** A task that was acknowledged, and what became of it. */
export interface KnownTask {
  id: string;
  round: number;
  /** The beginning of the request ids of all its submissions. */
  label: string;
  hasKey: boolean;
  isErased: boolean;
  /** When its client saw it finished, in ms since the epoch. */
  finishedAt?: number;
  status?: string;
  rows: number;
  /** Of its NDJSON. */
  digest?: string;
}

export interface TaskClientOptions {
  plan: TaskPlan;
  round: number;
  label: string;
  body: Body;
  reference: Reference;
  caller: Caller;
  violate(rule: Rule, detail: string): void;
  /** Hears of the client's own faults. */
  cut(kind: 'cut_upload' | 'cut_download'): void;
  /** Hears of a task as soon as it is acknowledged. */
  acknowledged(task: KnownTask): void;
}

const POLL_WAIT = { prefer: 'wait=1' };

export class TaskClient {
  private readonly watch = new LedgerWatch();
  private attempts = 0;

  constructor(private readonly options: TaskClientOptions) {}

  async run(): Promise<void> {
    const { plan, violate } = this.options;
    await delay(plan.atMs);
    try {
      const task = await this.submit();
      const ended = plan.ends === undefined ? undefined : this.end(task, plan.ends);
      const [{ last, followed }] = await Promise.all([this.follow(task), ended]);
      if (task.isErased) await this.expectErased(task);
      else if (last !== undefined) await this.check(task, last, followed);
      if (plan.hasKey) await this.submitAgain(task);
    } catch (error) {
      if (!(error instanceof GaveUpError)) throw error;
      violate('unfinished', `its client did not get through: ${error.message}`);
    }
  }

  /** Until the task is acknowledged; by two senders at once where the plan says so. */
  private async submit(): Promise<KnownTask> {
    const { plan, label, round, violate, acknowledged } = this.options;
    const senders = Array.from({ length: plan.isTwofold ? 2 : 1 }, () => this.send());
    const views = (await Promise.all(senders)).map(viewOf);
    const ids = new Set(views.map((view) => view.task_id));
    if (ids.size > 1) violate('key', `one key, accepted twice: ${[...ids].join(' and ')}`);
    const [view] = views as [TaskView];
    const task = {
      id: view.task_id,
      round,
      label,
      hasKey: plan.hasKey,
      isErased: false,
      rows: view.rows.total,
    };
    acknowledged(task);
    return task;
  }

  private send(): Promise<Answer> {
    const { caller, violate } = this.options;
    return caller.insist(
      () => this.submission(),
      ({ status, body }) => {
        if (status === 202) return true;
        if (!this.mayBeRefused(status, body))
          violate('answer', `the submission was answered ${status} ${body.slice(0, 500)}`);
        return false;
      },
    );
  }

  /** By what asks for another try: the other sender with the key is at it, or the deadline passed in mid-upload. */
  private mayBeRefused(status: number, body: string): boolean {
    const { hasKey, expiresInSeconds } = this.options.plan;
    if (status !== 409) return false;
    const { code } = JSON.parse(body) as { code: string };
    return (
      (hasKey && code === 'idempotency_key_in_use') ||
      (expiresInSeconds !== undefined && code === 'task_ended')
    );
  }

  private submission(): Call {
    const { plan, body, label, cut } = this.options;
    const attempt = this.attempts++;
    const headers: Record<string, string> = {
      'content-type': body.type,
      'x-request-id': `${label}.${attempt}`,
    };
    if (plan.hasKey) headers['idempotency-key'] = `"${label}"`;
    const expires = plan.expiresInSeconds === undefined ? '' : `&expires_in=${plan.expiresInSeconds}`;
    const cuts = plan.cutsUpload && attempt === 0;
    if (cuts) cut('cut_upload');
    return {
      method: 'POST',
      path: body.path + expires,
      headers,
      body: body.bytes,
      pieces: plan.pieces,
      ...(cuts ? { cuts: 'upload' } : {}),
    };
  }

  /** Once all is over: the key still stands for this task, or says that it was erased. */
  private async submitAgain(task: KnownTask): Promise<void> {
    const { caller, violate } = this.options;
    const { status, body } = await caller.insist(() => this.submission());
    const isSame = task.isErased
      ? status === 410
      : status === 202 && (JSON.parse(body) as TaskView).task_id === task.id;
    if (!isSame) violate('key', `sent again, it was answered ${status} ${body.slice(0, 300)}`);
  }

  private async end(task: KnownTask, { how, afterMs }: NonNullable<TaskPlan['ends']>): Promise<void> {
    const { caller, violate } = this.options;
    await delay(afterMs);
    const path = `/batch-result/${task.id}`;
    // From here on the task may be gone, whether or not the answer arrives.
    if (how === 'erase') task.isErased = true;
    const call: Call =
      how === 'erase' ? { method: 'DELETE', path } : { method: 'POST', path: `${path}/cancel` };
    const { status, body } = await caller.insist(() => call);
    if (status !== (how === 'erase' ? 204 : 200))
      violate('answer', `to ${how} was answered ${status} ${body}`);
    if (how === 'cancel' && status === 200 && !isTerminal((JSON.parse(body) as TaskView).status)) {
      violate('ledger', `it goes on after it was cancelled: ${body}`);
    }
  }

  /** Until the task is finished, as its client likes to see it. */
  private async follow(task: KnownTask) {
    const { pageRows } = this.options.plan;
    const followed = pageRows === undefined ? undefined : await this.followCursor(task, pageRows);
    return { followed, last: await this.pollToEnd(task) };
  }

  /** All rows by the cursor; undefined when they are not to be compared: the task was erased meanwhile, or a page was wrong. */
  private async followCursor(task: KnownTask, limit: number): Promise<CursorWatch | undefined> {
    const watch = new CursorWatch(limit);
    for (let next = '0'; ; ) {
      const answer = await this.read(task, `?after=${next}&limit=${limit}`, POLL_WAIT);
      if (answer === undefined) return undefined;
      const page = JSON.parse(answer.body) as TaskView & ResultPage;
      this.see(page);
      const [problem] = watch.see(page);
      if (problem !== undefined) {
        this.options.violate('cursor', problem);
        return undefined;
      }
      if (page.complete) return watch;
      if (page.results.length === 0) await this.pause(task);
      next = page.next;
    }
  }

  /** The last answer; undefined when the task was erased meanwhile. */
  private async pollToEnd(task: KnownTask): Promise<{ view: TaskView; json: string } | undefined> {
    for (;;) {
      const answer = await this.read(task, '', POLL_WAIT);
      if (answer === undefined) return undefined;
      const view = viewOf(answer);
      this.see(view);
      if (isTerminal(view.status)) {
        task.finishedAt = Date.now();
        task.status = view.status;
        return { view, json: answer.body };
      }
      await this.pause(task);
    }
  }

  private async check(
    task: KnownTask,
    { view, json }: { view: TaskView; json: string },
    followed: CursorWatch | undefined,
  ): Promise<void> {
    const { plan, reference, violate, cut } = this.options;
    if (plan.cutsDownload) {
      cut('cut_download');
      await this.options.caller.try({ method: 'GET', path: `/batch-result/${task.id}`, cuts: 'download' });
    }
    const answer = await this.read(task, '', { accept: 'application/x-ndjson' });
    if (answer === undefined) return;
    task.digest = digestOf(answer.body);
    const lines = linesOf(answer.body);
    const result = { view, lines, json: resultPart(json) };
    for (const problem of resultProblems(result, reference)) violate('result', problem);
    for (const problem of followed?.compare(lines) ?? []) violate('cursor', problem);
  }

  private async expectErased(task: KnownTask): Promise<void> {
    const { caller, violate } = this.options;
    const { status } = await caller.insist(() => ({ method: 'GET', path: `/batch-result/${task.id}` }));
    if (status !== 410) violate('answer', `an erased task was answered ${status}`);
  }

  /** Undefined when the task is gone because it was erased. */
  private async read(
    task: KnownTask,
    query: string,
    headers: Record<string, string>,
  ): Promise<Answer | undefined> {
    const { caller, violate } = this.options;
    const path = `/batch-result/${task.id}${query}`;
    const answer = await caller.insist(() => ({ method: 'GET', path, headers }));
    if (answer.status === 200) return answer;
    if (!(answer.status === 410 && task.isErased)) {
      violate('answer', `GET ${path} was answered ${answer.status} ${answer.body.slice(0, 300)}`);
    }
    return undefined;
  }

  private see(view: TaskView): void {
    for (const problem of this.watch.see(view)) this.options.violate('ledger', problem);
  }

  /** @throws GaveUpError when the time of the round is over */
  private async pause(task: KnownTask): Promise<void> {
    this.options.caller.refuseWhenLate(`task ${task.id} to finish`);
    await delay(20);
  }
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function viewOf({ body }: Answer): TaskView {
  return JSON.parse(body) as TaskView;
}
