/** The life of a program for a terminal: what it says, how it is stopped, what it exits with. */
import { ConfigError } from '@millrace/process/config';

export const say = (line: string): void => void process.stderr.write(`${line}\n`);

/**
 * @param main is to end soon after its signal: Ctrl-C, SIGTERM, or the terminal was closed
 * Exits with 1 and the reason when it fails.
 */
export async function runProgram(main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => stopping.abort());
  try {
    await main(stopping.signal);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    say(error instanceof ConfigError ? error.message : `Millrace cannot run: ${error.message}`);
    process.exitCode = 1;
  }
}
