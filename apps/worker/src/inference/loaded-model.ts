/** A model version as one inference thread runs it. */
import { RowReader } from '@millrace/batch/rows/row-reader';
import type { ModelFiles } from '../models/model-directory.js';
import { OnnxSession } from './onnx-session.js';

export interface LoadedModel {
  files: ModelFiles;
  reader: RowReader;
  session: OnnxSession;
}

/** @throws Error when ONNX Runtime refuses the file, or the graph and the manifest disagree */
export async function loadModel(files: ModelFiles): Promise<LoadedModel> {
  const session = await OnnxSession.open(files.path, files.manifest);
  return { files, session, reader: new RowReader(files.manifest) };
}
