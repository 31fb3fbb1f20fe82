/** `npm start`: the whole platform on this machine, until it is stopped. */
import { once } from 'node:events';
import { readConfig } from '@millrace/process/config';
import { LocalSettings, withPlatform } from './local-platform.js';
import { runProgram, say } from './run-program.js';
import { welcome } from './welcome.js';

await runProgram(async (signal) => {
  const settings = readConfig(LocalSettings, process.env);
  await withPlatform(settings, say, signal, async (url) => {
    await welcome(url, settings.API_KEYS_FILE !== undefined, say);
    if (!signal.aborted) await once(signal, 'abort');
  });
});
