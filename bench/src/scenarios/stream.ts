/** Runs that consist of one streamed request. */
import { measureRun } from '../measure.js';
import type { Millrace, StreamFormat } from '../peers/millrace.js';
import { type Expected, PredictionCheck } from '../prediction-check.js';
import type { Pieces } from '../result-reader.js';
import type { Variant } from './scenario.js';

/** @param pieces the rows in this format, of which there are so many */
export function streamVariant(
  name: string,
  peer: Millrace,
  format: StreamFormat,
  pieces: Pieces,
  rows: number,
  expected: Expected,
): Variant {
  const run = () =>
    measureRun(peer, { rows }, async () => {
      const { check, ...delivery } = await peer.predictStream(format, pieces);
      return { ...delivery, check: () => check(new PredictionCheck(expected, rows)) };
    });
  return { name, run: async () => ({ [name]: await run() }) };
}
