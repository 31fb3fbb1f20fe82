/** The API process. */
import { runProcess } from '@millrace/process/run-process';
import { startApi } from './api.js';
import { ApiSettings } from './config.js';

await runProcess('api', ApiSettings, startApi);
