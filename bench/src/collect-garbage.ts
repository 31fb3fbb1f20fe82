/** A collection of the driver's garbage before a run: later, it would take the cores from what is measured. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Blocks until all garbage of this thread is gone. */
export const collectGarbage = runInNewContext('gc') as () => void;
