/** Where the repository is. */
import { fileURLToPath } from 'node:url';

/** From `bench/dist/bench/src`. */
export const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
