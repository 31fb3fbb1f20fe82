/** An inference thread is responsible for all computing on a chunk: decode, validate, predict, encode. One request at a time. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { decodeStored } from '@millrace/columnar/rows/decode-stored';
import { ChunkCache } from '../cache/chunk-cache.js';
import { monotonicMs } from '../monotonic.js';
import { ChunkOutcomes } from './chunk-outcome.js';
import { type LoadedModel, loadModel } from './loaded-model.js';
import type { PredictReply, PredictRequest, ThreadReply, ThreadRequest } from './messages.js';
import { firstRows, microBatches } from './micro-batch.js';
import { predictRows, type RowSink } from './predict-rows.js';

const loaded = new Map<string, LoadedModel>();
const port = parentPort as MessagePort;

port.on('message', async (request: ThreadRequest) => {
  try {
    if (request.kind === 'load') {
      loaded.set(request.model.pin, await loadModel(request.model));
      send({ ok: true });
    } else {
      const value = await predict(request.request);
      // Moves the result's bytes to the main thread instead of copying them.
      const buffers = new Set(
        Object.values(value.result.segments).map((bytes) => bytes.buffer as ArrayBuffer),
      );
      send({ ok: true, value }, [...buffers]);
    }
  } catch (error) {
    send({ ok: false, message: error instanceof Error ? error.message : String(error) });
  }
});

function send(reply: ThreadReply, transferList: ArrayBuffer[] = []): void {
  port.postMessage(reply, transferList);
}

/** @throws Error when the graph gives other than one answer per row */
async function predict({ pin, source, givenUp, lookups }: PredictRequest): Promise<PredictReply> {
  const { manifest, reader, session } = loaded.get(pin) as LoadedModel;
  const startedAt = monotonicMs();
  const decoded = decodeStored(source, reader, manifest);
  const decodedAt = monotonicMs();
  const outcomes = new ChunkOutcomes(manifest, decoded, source.firstRow);
  const flag = givenUp && new Int32Array(givenUp);
  const sink: RowSink = {
    isGivenUp: () => flag !== undefined && Atomics.load(flag, 0) !== 0,
    predicted: (rows, outputs) => outcomes.predicted(rows, outputs),
    failed: (rows, message) => outcomes.failed(rows, 'inference_failed', message),
  };
  const cache = lookups && (await ChunkCache.ask(lookups, manifest, decoded, sink));
  const rows = cache?.missing ?? firstRows(decoded.valid.length);
  const batches = microBatches(decoded.inputs, rows, manifest.limits.micro_batch);
  await predictRows(session, manifest, decoded.inputs, batches, cache ?? sink);
  const inferredAt = monotonicMs();
  const result = outcomes.encode();
  const encodedAt = monotonicMs();
  return {
    result,
    times: { startedAt, decodedAt, inferredAt, encodedAt },
    ...(cache && { cached: cache.report() }),
  };
}
