import { defineConfig } from 'vitest/config';

/** `*.test.ts` needs nothing, `*.redis.test.ts`, `*.postgresql.test.ts` and `*.s3.test.ts` a server of their own, `*.e2e.test.ts` whole processes. */
export default defineConfig({
  test: {
    include: ['{packages,apps}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    // Most of the time of those that start processes is waiting: for locks, for processes, for what never ends.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
