/** The process that proves versions for a worker: what crashes or never ends here harms nobody. */

import { type Candidate, prove } from './prove.js';
import type { ProverReply } from './prover.js';

process.on('disconnect', () => process.exit(0));
process.on('message', async (candidate: Candidate) => {
  let reply: ProverReply;
  try {
    reply = { ok: true, proof: await prove(candidate) };
  } catch (error) {
    reply = { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  process.send?.(reply);
});
