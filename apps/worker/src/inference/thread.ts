/** An inference thread is responsible for all computing on a chunk: decode, validate, predict, encode. One request at a time. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { encodeChunk } from '@millrace/batch/results/encode-chunk';
import { decodeChunk } from '@millrace/batch/rows/decode-chunk';
import { RowReader } from '@millrace/batch/rows/row-reader';
import type { LoadableModel, PredictReply, PredictRequest, ThreadReply, ThreadRequest } from './messages.js';
import { OnnxSession } from './onnx-session.js';
import { decodeRows } from './prove.js';

interface LoadedModel {
  manifest: Manifest;
  reader: RowReader;
  session: OnnxSession;
}

const loaded = new Map<string, LoadedModel>();
const port = parentPort as MessagePort;

port.on('message', async (request: ThreadRequest) => {
  try {
    if (request.kind === 'load') {
      await load(request.model);
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

async function load({ pin, path, manifest, example }: LoadableModel): Promise<void> {
  const session = await OnnxSession.open(path);
  const reader = new RowReader(manifest);
  // A model without an example that it takes has none to be warmed up with.
  await session.predict(manifest, decodeRows([example], reader)).catch(() => {});
  loaded.set(pin, { manifest, reader, session });
}

/** @throws Error when the model itself fails on the chunk */
async function predict({ pin, source }: PredictRequest): Promise<PredictReply> {
  const { manifest, reader, session } = loaded.get(pin) as LoadedModel;
  const startedAt = performance.now();
  const decoded = decodeChunk(source, reader);
  const decodedAt = performance.now();
  const columns = await session.predict(manifest, decoded);
  const inferredAt = performance.now();
  const result = encodeChunk({ ...decoded, firstRow: source.firstRow, columns, shown: manifest });
  const encodedAt = performance.now();
  return {
    result,
    seconds: {
      decode: (decodedAt - startedAt) / 1000,
      infer: (inferredAt - decodedAt) / 1000,
      encode: (encodedAt - inferredAt) / 1000,
    },
  };
}
