/** Tries versions as a worker would before it serves them, and measures them. */
import { relative } from 'node:path';
import { modelKey } from '@millrace/batch/model';
import { recommended } from '../inference/micro-batch-curve.js';
import { prove } from '../inference/prove.js';
import type { FoundVersion } from '../models/model-directory.js';
import { readVersionFiles } from '../models/version-files.js';
import { describeModel } from './describe-model.js';
import { findVersions } from './find-versions.js';
import { measureMicroBatches } from './micro-batches.js';

type Write = (line: string) => void;

/** @returns the exit code: 0 when everything would be served */
export async function check(path: string, write: Write): Promise<number> {
  const { versions, refused } = await findVersions(path);
  let failed = refused.length;
  for (const version of versions) {
    if (!(await checkVersion(version, write))) failed++;
  }
  for (const { name, version, reason } of refused)
    write(`${name}/${version}: would not be served: ${reason}\n`);
  if (versions.length + refused.length === 0) throw new Error(`there is no model at ${path}`);
  return failed === 0 ? 0 : 1;
}

async function checkVersion(found: FoundVersion, write: Write): Promise<boolean> {
  const shown = relative(process.cwd(), found.folder ?? found.path) || '.';
  try {
    const { file, samples, digest } = await readVersionFiles(found);
    const proof = await prove({ path: found.path, file, samples });
    const { manifest, example, doubt } = proof;
    write(`${shown}, to be served as ${modelKey(found)}`);
    write(`  sha256 ${digest}`);
    for (const line of describeModel(manifest, example)) write(line);
    if (samples !== undefined) {
      write(`samples\n  all ${samples.samples.length} come out, floats within ${samples.tolerance}`);
    }
    if (doubt === undefined) {
      const rows = samples?.samples.map(({ row }) => row) ?? [example];
      await measure(found.path, proof.manifest, rows, write);
    } else {
      write(`doubtful\n  ${doubt}`);
    }
    write('');
    return true;
  } catch (error) {
    write(`${shown}: would not be served: ${(error as Error).message}\n`);
    return false;
  }
}

async function measure(
  path: string,
  manifest: Parameters<typeof measureMicroBatches>[1],
  rows: readonly unknown[],
  write: Write,
): Promise<void> {
  const measured = await measureMicroBatches(path, manifest, rows);
  write('rows/s of one thread, inference alone, by micro-batch');
  const fastest = Math.min(...measured.map(({ secondsPerRow }) => secondsPerRow));
  for (const { microBatch, secondsPerRow } of measured) {
    const bar = '█'.repeat(Math.round((30 * fastest) / secondsPerRow));
    const rowsPerSecond = Math.round(1 / secondsPerRow).toLocaleString('en');
    write(`  ${String(microBatch).padStart(6)}  ${rowsPerSecond.padStart(12)}  ${bar}`);
  }
  const { micro_batch: own, fixed_batch: fixed } = manifest.limits;
  if (fixed !== undefined) write(`the graph takes just ${fixed} rows at once`);
  else write(`recommended: "limits": {"micro_batch": ${recommended(measured).microBatch}} (now ${own})`);
}
