/** A client of an S3-compatible server, bounded in connections and time. */
import { S3Client } from '@aws-sdk/client-s3';
import type { ConnectionOf } from './connections-file.js';

const CONNECT_MS = 10_000;
/** A part of an upload on a slow line; how long a download may take is bounded by its silences. */
const REQUEST_MS = 300_000;
const MAX_SOCKETS = 16;
const ATTEMPTS = 3;

/** Its advice about versions of Node is for those who build, and no line of a log. */
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

export function createS3Client(connection: ConnectionOf<'s3'>): S3Client {
  const agent = { maxSockets: MAX_SOCKETS, keepAlive: true };
  return new S3Client({
    ...(connection.endpoint !== undefined && { endpoint: connection.endpoint }),
    region: connection.region,
    credentials: {
      accessKeyId: connection.access_key_id,
      secretAccessKey: connection.secret_access_key,
      ...(connection.session_token !== undefined && { sessionToken: connection.session_token }),
    },
    forcePathStyle: connection.path_style,
    maxAttempts: ATTEMPTS,
    // The newer checksums of AWS are not known to all servers that speak S3; the signature covers the bytes anyway.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
