/** An inference thread is responsible for all computing on a chunk: decode, validate, predict, encode. */
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { type LoadedModel, loadModel } from './loaded-model.js';
import type { PredictReply, PredictRequest, ProveReply, ProveRequest, ThreadData } from './messages.js';
import { proveSamples, timeInference } from './prove.js';

const { models } = workerData as ThreadData;
const loaded = new Map<string, Promise<LoadedModel>>();

/** Loads a version into this thread and runs its samples. @throws Error that says why it must not be served */
export async function prove({ model }: ProveRequest): Promise<ProveReply> {
  const version = await load(model);
  await proveSamples(version);
  return { secondsPerRow: await timeInference(version) };
}

/** Decodes, predicts and encodes a chunk. @throws Error when the model itself fails on it */
export async function predict({ model, source }: PredictRequest): Promise<unknown> {
  const { files, reader, session } = await load(model);
  const { outputs, primary } = files.manifest;
  const startedAt = performance.now();
  const decoded = decodeChunk(source, reader);
  const decodedAt = performance.now();
  const columns = await session.predict(decoded);
  const inferredAt = performance.now();
  const result = encodeChunk({
    ...decoded,
    firstRow: source.firstRow,
    columns,
    primary: outputs.findIndex((output) => output.name === primary),
  });
  const encodedAt = performance.now();
  return transferred({
    result,
    seconds: {
      decode: (decodedAt - startedAt) / 1000,
      infer: (inferredAt - decodedAt) / 1000,
      encode: (encodedAt - inferredAt) / 1000,
    },
  });
}

function load(key: string): Promise<LoadedModel> {
  const known = loaded.get(key);
  if (known !== undefined) return known;
  const files = models[key];
  if (files === undefined) throw new Error(`this worker has no model ${key}`);
  const loading = loadModel(files);
  loaded.set(key, loading);
  // A load that failed is tried again with the next chunk.
  loading.catch(() => loaded.delete(key));
  return loading;
}

/** Moves the result's bytes to the main thread instead of copying them. */
function transferred(reply: PredictReply): unknown {
  const buffers = new Set(Object.values(reply.result.segments).map((bytes) => bytes.buffer));
  return move({ [transferableSymbol]: [...buffers], [valueSymbol]: reply } as Parameters<typeof move>[0]);
}
