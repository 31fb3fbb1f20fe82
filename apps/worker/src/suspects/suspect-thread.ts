/** The computing on a suspect chunk: the same steps as in an inference thread, one part of the rows at a time. */
import { deserialize, serialize } from 'node:v8';
import { type MessagePort, parentPort } from 'node:worker_threads';
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import { decodeStored, type StoredSource } from '@millrace/columnar/rows/decode-stored';
import { ChunkOutcomes } from '../inference/chunk-outcome.js';
import { type LoadedModel, loadModel } from '../inference/loaded-model.js';
import type { LoadableModel } from '../inference/messages.js';
import { firstRows, microBatches } from '../inference/micro-batch.js';
import type { RunOutput } from '../inference/onnx-session.js';
import { predictRows } from '../inference/predict-rows.js';
import type { LostRows, SuspectReply, SuspectRequest } from './messages.js';

type Part = (
  | { kind: 'predicted'; rows: Uint32Array; outputs: readonly RunOutput[] }
  | { kind: 'failed'; rows: Uint32Array; message: string }
)[];

interface OpenChunk extends LoadedModel {
  decoded: DecodedChunk;
  firstRow: number;
}

const port = parentPort as MessagePort;
let open: OpenChunk;

port.on('message', async (request: SuspectRequest) => {
  let reply: SuspectReply;
  try {
    reply = await answer(request);
  } catch (error) {
    reply = { kind: 'refused', message: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(reply);
});

async function answer(request: SuspectRequest): Promise<SuspectReply> {
  switch (request.kind) {
    case 'open':
      return { kind: 'opened', batches: await openChunk(request.model, request.source) };
    case 'predict':
      return { kind: 'predicted', part: await predictPart(request.rows) };
    case 'encode':
      return { kind: 'encoded', result: encode(request.parts, request.lost) };
  }
}

async function openChunk(model: LoadableModel, source: StoredSource): Promise<Uint32Array[]> {
  const loaded = await loadModel(model);
  const decoded = decodeStored(source, loaded.reader, loaded.manifest);
  open = { ...loaded, decoded, firstRow: source.firstRow };
  return microBatches(decoded.inputs, firstRows(decoded.valid.length), loaded.manifest.limits.micro_batch);
}

async function predictPart(rows: Uint32Array): Promise<Uint8Array> {
  const { session, manifest, decoded } = open;
  const part: Part = [];
  await predictRows(session, manifest, decoded.inputs, [rows], {
    predicted: (predicted, outputs) => void part.push({ kind: 'predicted', rows: predicted, outputs }),
    failed: (failed, message) => void part.push({ kind: 'failed', rows: failed, message }),
  });
  return serialize(part);
}

function encode(parts: readonly Uint8Array[], lost: readonly LostRows[]) {
  const outcomes = new ChunkOutcomes(open.manifest, open.decoded, open.firstRow);
  for (const part of parts) {
    for (const each of deserialize(part) as Part) {
      switch (each.kind) {
        case 'predicted':
          outcomes.predicted(each.rows, each.outputs);
          break;
        case 'failed':
          outcomes.failed(each.rows, 'inference_failed', each.message);
          break;
      }
    }
  }
  for (const { rows, code, message } of lost) outcomes.failed(rows, code, message);
  return outcomes.encode();
}
