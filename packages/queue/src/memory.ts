/** How full Redis is. */
import { masters, type RedisConnection } from './connection.js';
import { infoField } from './server-problems.js';

/** Bytes that Redis uses, and may use; the latter is 0 where nothing limits it. Of a cluster: of its fullest master. */
export async function memoryUse(redis: RedisConnection): Promise<{ used: number; max: number }> {
  const uses = await Promise.all(
    masters(redis).map(async (node) => {
      const memory = await node.info('memory');
      return {
        used: Number(infoField(memory, 'used_memory') ?? 0),
        max: Number(infoField(memory, 'maxmemory') ?? 0),
      };
    }),
  );
  return uses.reduce((fullest, each) => (shareOf(each) > shareOf(fullest) ? each : fullest), {
    used: 0,
    max: 0,
  });
}

/** The share of `maxmemory` from which on a server is nearly full. */
const MEMORY_HIGH = 0.9;

/** What keeps a running platform from taking more in, besides `serverProblems`. */
export async function memoryProblems(redis: RedisConnection): Promise<string[]> {
  const use = await memoryUse(redis);
  if (shareOf(use) < MEMORY_HIGH) return [];
  return [`Redis is ${Math.round(shareOf(use) * 100)} % full (maxmemory)`];
}

function shareOf({ used, max }: { used: number; max: number }): number {
  // Of those without a limit, the one that uses most.
  return max === 0 ? used / Number.MAX_SAFE_INTEGER : used / max;
}
