import { defineConfig } from 'vitest/config';

/** `*.test.ts` needs nothing, `*.redis.test.ts` a Redis server of its own, `*.e2e.test.ts` whole processes. */
export default defineConfig({
  test: {
    include: ['{packages,apps}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    // Two cores: tests that start processes would only slow each other.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
