/** `npm test` calls this first: the tests start Redis servers of their own and need the program. */
import { ensureRedisServer } from './redis-server.js';

try {
  ensureRedisServer((line) => process.stderr.write(`${line}\n`));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
