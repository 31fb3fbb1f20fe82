/** Loads a proved version to predict with it: the session, warm, and the reader of its rows. */
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { RowReader } from '@millrace/batch/rows/row-reader';
import { decodeRows } from './decode-rows.js';
import type { LoadableModel } from './messages.js';
import { OnnxSession } from './onnx-session.js';

export interface LoadedModel {
  manifest: Manifest;
  reader: RowReader;
  session: OnnxSession;
}

/** @throws Error when ONNX Runtime refuses the file now */
export async function loadModel({ path, manifest, example }: LoadableModel): Promise<LoadedModel> {
  const session = await OnnxSession.open(path);
  const reader = new RowReader(manifest);
  try {
    await session.predict(manifest, decodeRows([example], reader));
  } catch {
    // A model without an example that it takes has none to be warmed up with.
  }
  return { manifest, reader, session };
}
