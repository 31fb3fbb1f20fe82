/** Log lines: JSON where a machine reads them, text on a terminal. They carry ids and counts, never the contents of rows. */
import winston from 'winston';

export type Logger = winston.Logger;

export interface LoggerOptions {
  service: string;
  level: string;
  /** Absent: text on a terminal, JSON elsewhere. */
  format?: 'json' | 'pretty' | undefined;
}

export function createLogger({ service, level, format }: LoggerOptions): Logger {
  const pretty = (format ?? (process.stdout.isTTY ? 'pretty' : 'json')) === 'pretty';
  const stamp = winston.format.timestamp();
  const errors = winston.format.errors({ stack: true });
  return winston.createLogger({
    level,
    defaultMeta: { service },
    format: pretty
      ? winston.format.combine(errors, stamp, winston.format.printf(prettyLine))
      : winston.format.combine(errors, stamp, winston.format.json()),
    transports: [new winston.transports.Console()],
  });
}

function prettyLine({
  timestamp,
  level,
  service,
  message,
  ...fields
}: winston.Logform.TransformableInfo): string {
  const time = String(timestamp).slice(11, 23);
  const rest = Object.entries(fields).map(([key, value]) => {
    return ` ${key}=${typeof value === 'object' ? JSON.stringify(value) : value}`;
  });
  return `${time} ${level.padEnd(5)} ${String(service).padEnd(6)} ${message}${rest.join('')}`;
}

/** What is worth a log line of an error: its name and message, and the one beneath it. */
export function errorFields(error: unknown): Record<string, string> {
  if (!(error instanceof Error)) return { error: String(error) };
  const cause = error.cause instanceof Error ? { cause: error.cause.message } : {};
  return { error: error.message || error.name, ...cause };
}
