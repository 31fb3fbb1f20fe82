/** The worker process. */
import { runProcess } from '@millrace/process/run-process';
import { WorkerSettings } from './config.js';
import { startWorker } from './worker.js';

await runProcess('worker', WorkerSettings, startWorker);
