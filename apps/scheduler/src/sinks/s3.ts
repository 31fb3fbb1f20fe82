/** Writes results as an object of an S3-compatible server, and its manifest after it. */
import { createHash } from 'node:crypto';
import { DeleteObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Outputs } from '@millrace/batch/results/read-chunk';
import type { Connections } from '../connections/connections.js';
import { RunError } from '../run-error.js';
import { failureOf, messageOf } from '../s3/failure.js';
import { abortLeftUploads, ObjectUpload } from '../s3/object-upload.js';
import { manifestPath, manifestText } from './manifest.js';
import { resultFormat } from './result-format.js';
import type { RunOutput, SinkContext, WriteSink, Written } from './sink.js';

/** With its templates filled in. */
export interface S3Sink {
  kind: 's3';
  connection: string;
  bucket: string;
  key: string;
  /** Absent: the key's extension tells. */
  format?: 'ndjson' | 'csv' | undefined;
  outputs?: Outputs | undefined;
}

interface Deps {
  connections: Connections;
  /** How large the parts of an upload are. */
  partBytes?: number;
}

const CONTENT_TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' };

/**
 * The object appears whole, and in place of an earlier one; a reader who waits for the manifest has all of it. A process
 * that was thought dead, and wakes up later, finds its uploads aborted.
 */
export const writeS3Sink: WriteSink<S3Sink, Deps> = async (sink, deps, output, context) => {
  const client = deps.connections.s3(sink.connection);
  const format = resultFormat(sink.key, sink.format);
  const upload = async <Value>(
    key: string,
    contentType: string,
    write: (to: ObjectUpload) => Promise<Value>,
  ) => {
    const address = { Bucket: sink.bucket, Key: key };
    const begun = new ObjectUpload(client, address, contentType, context.signal, deps.partBytes);
    try {
      await naming(sink, context, () => begun.begin());
      return await write(begun);
    } catch (error) {
      // The first error is the one to tell; what it leaves at the server the next attempt frees.
      await begun.abort().catch(() => {});
      throw error;
    }
  };
  for (const Key of [sink.key, manifestPath(sink.key)]) {
    await naming(sink, context, () => abortLeftUploads(client, { Bucket: sink.bucket, Key }, context.signal));
  }
  const written = await upload(sink.key, CONTENT_TYPES[format], (to) =>
    writeObject(sink, client, to, format, output, context),
  );
  await upload(manifestPath(sink.key), 'application/json', (to) =>
    writeManifest(sink, to, manifestText(output, format, written, new Date()), context),
  );
  return written;
};

async function writeObject(
  sink: S3Sink,
  client: S3Client,
  upload: ObjectUpload,
  format: 'ndjson' | 'csv',
  output: RunOutput,
  context: SinkContext,
): Promise<Written> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const text of output.text(format, sink.outputs ?? 'default')) {
    const piece = typeof text === 'string' ? Buffer.from(text) : text;
    digest.update(piece);
    bytes += piece.length;
    await naming(sink, context, () => upload.add(piece));
  }
  await context.fence();
  // The last part tells whether the upload is still there: the manifest of a later attempt's object is to stay.
  await naming(sink, context, () => upload.end());
  await naming(sink, context, () => removeManifest(sink, client, context));
  await naming(sink, context, () => upload.publish());
  return {
    location: `s3://${sink.bucket}/${sink.key}`,
    rows: output.rows.total,
    bytes,
    sha256: digest.digest('hex'),
  };
}

/** That of an object that was there before goes first, so that one that is there always belongs to the object beside it. */
async function removeManifest(sink: S3Sink, client: S3Client, { signal }: SinkContext): Promise<void> {
  const command = new DeleteObjectCommand({ Bucket: sink.bucket, Key: manifestPath(sink.key) });
  await client.send(command, { abortSignal: signal });
}

async function writeManifest(
  sink: S3Sink,
  upload: ObjectUpload,
  text: string,
  context: SinkContext,
): Promise<void> {
  await naming(sink, context, async () => {
    await upload.add(Buffer.from(text));
    await upload.end();
  });
  await context.fence();
  await naming(sink, context, () => upload.publish());
}

async function naming<Value>(
  { connection, bucket, key }: S3Sink,
  { signal }: SinkContext,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    const options = { cause: error };
    const object = `"${key}" in the bucket "${bucket}"`;
    switch (failureOf(error)) {
      case 'not_found':
        throw new RunError(
          'sink_refused',
          `"${connection}" has no place for ${object}: ${messageOf(error)}`,
          false,
          options,
        );
      case 'not_allowed':
        throw new RunError(
          'sink_not_allowed',
          `"${connection}" may not write ${object}: ${messageOf(error)}`,
          false,
          options,
        );
      case 'refused':
        throw new RunError(
          'sink_refused',
          `"${connection}" refuses ${object}: ${messageOf(error)}`,
          false,
          options,
        );
      case 'unavailable':
        throw new RunError(
          'sink_unavailable',
          `${object} of "${connection}" could not be written: ${messageOf(error)}`,
          true,
          options,
        );
    }
  }
}
