/** The data folder belongs to one platform at a time: two Redis servers on one append-only file would ruin it. */
import { once } from 'node:events';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { z } from 'zod';

const Owner = z.object({ pid: z.number(), redisPort: z.number() });
type Owner = z.infer<typeof Owner>;

const PROBE_MS = 2_000;
const SHUTDOWN_MS = 30_000;

/**
 * Makes sure that no Redis server works in the folder. One whose platform was killed is stopped first; it has kept
 * every write.
 * @throws Error when a living platform owns the folder
 */
export async function claimDataFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const owner = await readOwner(folder);
  if (owner === undefined) return;
  const redis = await connect(owner.redisPort, join(await realpath(folder), 'redis'));
  if (redis === undefined) return;
  try {
    if (isAlive(owner.pid)) {
      throw new Error(
        `process ${owner.pid} runs Millrace on ${folder} already; stop it, or set DATA_DIR to another folder`,
      );
    }
    const ended = once(redis, 'end', { signal: AbortSignal.timeout(SHUTDOWN_MS) });
    // Its answer is the end of the connection; what else it might answer shows in that the end does not come.
    redis.shutdown('NOSAVE').catch(() => {});
    await ended.catch(() => {
      throw new Error(
        `the Redis server on ${folder}, left behind by process ${owner.pid}, does not stop; stop it by hand`,
      );
    });
  } finally {
    redis.disconnect();
  }
}

/** Notes whose the folder is from now on. */
export async function ownDataFolder(folder: string, owner: Owner): Promise<void> {
  await writeFile(ownerPath(folder), JSON.stringify(owner));
}

export async function leaveDataFolder(folder: string): Promise<void> {
  await rm(ownerPath(folder), { force: true });
}

async function readOwner(folder: string): Promise<Owner | undefined> {
  const text = await readFile(ownerPath(folder), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return Owner.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function ownerPath(folder: string): string {
  return join(folder, 'platform.json');
}

/** A connection to the server that works in this directory; undefined when there is none on that port. */
async function connect(port: number, directory: string): Promise<Redis | undefined> {
  const redis = new Redis(port, '127.0.0.1', {
    lazyConnect: true,
    connectTimeout: PROBE_MS,
    commandTimeout: PROBE_MS,
    retryStrategy: () => null,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    const [, works] = (await redis.config('GET', 'dir')) as string[];
    if (works === directory) return redis;
  } catch {
    // Nobody there, or somebody else.
  }
  redis.disconnect();
  return undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
