/** The API's settings. */
import { flag, integer, PROCESS_SETTINGS } from '@millrace/process/env-types';
import { RedisUrl } from '@millrace/queue/redis-url';
import { SUBMIT_SETTINGS } from '@millrace/tasks/submit-settings';
import { z } from 'zod';

const MIB = 1024 * 1024;

export const ApiSettings = z
  .object({
    ...PROCESS_SETTINGS,
    ...SUBMIT_SETTINGS,
    REDIS_URL: RedisUrl,
    HOST: z.string().default('127.0.0.1'),
    PORT: integer(0, 65_535, 3000),
    /** Clients and the SHA-256 of their keys; without it everybody is `anonymous`. */
    API_KEYS_FILE: z.string().optional(),
    ALLOW_ANONYMOUS: flag(),
    /** Bodies that are parsed whole. */
    MAX_JSON_BYTES: integer(1024, 512 * MIB, 16 * MIB),
    /** One record batch of an Arrow stream, which is in memory whole. */
    MAX_BATCH_BYTES: integer(1024, 512 * MIB, 64 * MIB),
    /** A Parquet file, which is unpacked from memory. */
    MAX_PARQUET_BYTES: integer(1024, 1024 * MIB, 64 * MIB),
    /** Any body, after inflating. */
    MAX_BODY_BYTES: integer(1024, 2 ** 40, 8 * 1024 * MIB),
    /** How many times its size a gzip body may inflate to; repeated bytes come to a thousand. */
    MAX_GZIP_RATIO: integer(1, 2_000, 200),
    /** How long an upload may send nothing. */
    UPLOAD_IDLE_MS: integer(100, 600_000, 30_000),
    /** How long an answer with follow=true may wait for its task. */
    FOLLOW_MAX_MS: integer(1_000, 7 * 86_400_000, 3_600_000),
    /** How long a stopping API lets requests finish. */
    STOP_GRACE_MS: integer(0, 600_000, 15_000),
  })
  .superRefine((settings, context) => {
    if (settings.API_KEYS_FILE !== undefined || settings.ALLOW_ANONYMOUS || isLoopback(settings.HOST)) return;
    context.addIssue({
      code: 'custom',
      path: ['HOST'],
      message:
        'without API keys anybody who reaches this address may submit; set API_KEYS_FILE, or ALLOW_ANONYMOUS=1',
    });
  });
export type ApiSettings = z.infer<typeof ApiSettings>;

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
