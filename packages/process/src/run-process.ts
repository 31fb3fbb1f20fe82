/** The life of a process: settings, log, start, and on a signal the stop. */
import type { z } from 'zod';
import { ConfigError, readConfig } from './config.js';
import { createLogger, type Logger } from './logger.js';
import { type Phase, shutdownOnSignal } from './shutdown.js';

interface ProcessSettings {
  LOG_LEVEL: string;
  LOG_FORMAT?: 'json' | 'pretty' | undefined;
}

/** A process that serves. */
export interface Running {
  /** Where it listens. */
  port: number;
}

/** Says what stops a process, in order. To be called as soon as it serves anybody, which may be before it is ready. */
export type StopWith = (phases: Phase[]) => void;

/**
 * @param start resolves once the process serves; a parent that listens is then told the port
 * Exits with 1 and the reason when the settings do not hold or the start fails.
 */
export async function runProcess<Settings extends ProcessSettings>(
  service: string,
  schema: z.ZodType<Settings>,
  start: (settings: Settings, log: Logger, stopWith: StopWith) => Promise<Running>,
): Promise<void> {
  const settings = settingsOrExit(schema);
  const log = createLogger({ service, level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
  let phases: Phase[] = [];
  // From the first moment: a container's process 1 ignores signals that it has no handler for.
  shutdownOnSignal(log, () => phases);
  try {
    const running = await start(settings, log, (given) => {
      phases = given;
    });
    process.send?.({ port: running.port });
  } catch (error) {
    log.error(`cannot start: ${(error as Error).message}`);
    log.once('finish', () => process.exit(1));
    log.end();
  }
}

function settingsOrExit<Settings>(schema: z.ZodType<Settings>): Settings {
  try {
    return readConfig(schema, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
