/** How full Redis is. */
import { masters, type RedisConnection } from './connection.js';
import { infoField } from './server-problems.js';

/** Bytes that a server uses, and may use; the latter is 0 where nothing limits it. */
export interface MemoryUse {
  used: number;
  max: number;
}

/** Of each master. */
export async function memoryUses(redis: RedisConnection): Promise<MemoryUse[]> {
  return Promise.all(
    masters(redis).map(async (node) => {
      const memory = await node.info('memory');
      return {
        used: Number(infoField(memory, 'used_memory') ?? 0),
        max: Number(infoField(memory, 'maxmemory') ?? 0),
      };
    }),
  );
}

/** Of the fullest master. */
export async function memoryUse(redis: RedisConnection): Promise<MemoryUse> {
  const uses = await memoryUses(redis);
  return uses.reduce((fullest, each) => (shareOf(each) > shareOf(fullest) ? each : fullest), {
    used: 0,
    max: 0,
  });
}

/** The share of `maxmemory` from which on a server is nearly full. */
const MEMORY_HIGH = 0.9;

/** What keeps a running platform from taking more in, besides `serverProblems`. */
export async function memoryProblems(redis: RedisConnection): Promise<string[]> {
  const share = shareOf(await memoryUse(redis));
  return share < MEMORY_HIGH ? [] : [`Redis is ${Math.round(share * 100)} % full (maxmemory)`];
}

/** The share that is used of what may be. Of those without a limit, it only tells which uses most. */
export function shareOf({ used, max }: MemoryUse): number {
  return max === 0 ? used / Number.MAX_SAFE_INTEGER : used / max;
}
