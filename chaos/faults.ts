/** What strikes the platform: each fault begins, lasts, and is over when its promise resolves. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PlatformProcess } from '@millrace/local/platform-process';
import type { FaultKind, FaultPlan } from './plan.js';
import type { ChaosPlatform } from './platform.js';
import { overtakenRuns } from './worker-metrics.js';

export interface Struck {
  kind: FaultKind;
  /** A worker that slept, and the runs of chunks in which another had come first before it did. */
  slept?: { worker: PlatformProcess; overtakenBefore: number };
}

export class Faults {
  /** Redis has one fault at a time. */
  private redisIsFree: Promise<unknown> = Promise.resolve();

  constructor(private readonly platform: ChaosPlatform) {}

  async strike(plan: FaultPlan): Promise<Struck> {
    const { platform } = this;
    const { kind, forMs } = plan;
    await delay(plan.atMs);
    switch (kind) {
      case 'kill_worker':
        return signalled(kind, platform.worker(plan.worker), 'SIGKILL');
      case 'terminate_worker':
        return signalled(kind, platform.worker(plan.worker), 'SIGTERM');
      case 'kill_api':
        return signalled(kind, platform.api, 'SIGKILL');
      case 'terminate_api':
        return signalled(kind, platform.api, 'SIGTERM');
      case 'stop_api':
        await sleep(platform.api, forMs);
        return { kind };
      case 'stop_worker': {
        const worker = platform.worker(plan.worker);
        const overtakenBefore = await overtakenRuns(worker);
        await sleep(worker, forMs);
        return { kind, slept: { worker, overtakenBefore } };
      }
      case 'restart_redis':
        return this.strikeRedis(kind, () => platform.restartRedis('SIGTERM', forMs));
      case 'kill_redis':
        return this.strikeRedis(kind, () => platform.restartRedis('SIGKILL', forMs));
      case 'kill_connections':
        return this.strikeRedis(kind, async () => {
          for (const type of ['normal', 'pubsub']) await platform.redis.call('CLIENT', 'KILL', 'TYPE', type);
        });
      case 'pause_redis':
        return this.strikeRedis(kind, async () => {
          await platform.redis.call('CLIENT', 'PAUSE', forMs, 'ALL');
          await delay(forMs);
        });
      case 'fill_redis':
        return this.strikeRedis(kind, () => this.fillRedis(forMs));
    }
  }

  private strikeRedis(kind: FaultKind, fault: () => Promise<void>): Promise<Struck> {
    const struck = this.redisIsFree.then(fault).then(() => ({ kind }));
    this.redisIsFree = struck.catch(() => {});
    return struck;
  }

  /** Less memory than is in use: every command that needs some is refused. */
  private async fillRedis(forMs: number): Promise<void> {
    const { redis } = this.platform;
    const used = Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
    await redis.config('SET', 'maxmemory', Math.floor(used * 0.9));
    await delay(forMs);
    await redis.config('SET', 'maxmemory', 0);
  }
}

async function sleep({ child }: PlatformProcess, ms: number): Promise<void> {
  child.kill('SIGSTOP');
  await delay(ms);
  child.kill('SIGCONT');
}

function signalled(kind: FaultKind, { child }: PlatformProcess, signal: NodeJS.Signals): Struck {
  child.kill(signal);
  return { kind };
}
