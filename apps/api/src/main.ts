/** The API process. */
import { runProcess } from '@millrace/process/run-process';
import { ApiSettings } from './config.js';
import { startApi } from './api.js';

await runProcess('api', ApiSettings, startApi);
