/** Settings of every process that takes rows in. */
import { integer } from '@millrace/process/env-types';
import { z } from 'zod';
import type { AdmissionLimits } from './admission.js';

const MIB = 1024 * 1024;

export const SUBMIT_SETTINGS = {
  /** One line of NDJSON or one record of CSV. */
  MAX_ROW_BYTES: integer(64, 64 * MIB, 16 * MIB),
  /** Rows, and bytes of chunks, that may be in flight: accepted or being received, and not done. Of all clients, and of one. */
  MAX_IN_FLIGHT_ROWS: integer(1, 2 ** 50, 1_000_000_000),
  MAX_IN_FLIGHT_BYTES: integer(1, 2 ** 50, 4 * 1024 * MIB),
  CLIENT_MAX_IN_FLIGHT_ROWS: integer(1, 2 ** 50, 500_000_000),
  CLIENT_MAX_IN_FLIGHT_BYTES: integer(1, 2 ** 50, 2 * 1024 * MIB),
  /** How long an upload waits for workers to make room before it is refused. */
  UPLOAD_STALL_MS: integer(0, 3_600_000, 60_000),
  /** Signs task ids, so that a lost one is told from one that never was. The same for all such processes, and for ever. */
  TASK_ID_SECRET: z.string().default('millrace'),
};

type SubmitSettings = { [name in keyof typeof SUBMIT_SETTINGS]: z.infer<(typeof SUBMIT_SETTINGS)[name]> };

export function admissionLimits(settings: SubmitSettings): AdmissionLimits {
  return {
    all: { rows: settings.MAX_IN_FLIGHT_ROWS, bytes: settings.MAX_IN_FLIGHT_BYTES },
    client: { rows: settings.CLIENT_MAX_IN_FLIGHT_ROWS, bytes: settings.CLIENT_MAX_IN_FLIGHT_BYTES },
    stallMs: settings.UPLOAD_STALL_MS,
  };
}
