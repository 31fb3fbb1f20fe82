/** The scheduler process. */
import { runProcess } from '@millrace/process/run-process';
import { SchedulerSettings } from './config.js';
import { startScheduler } from './scheduler.js';

await runProcess('scheduler', SchedulerSettings, startScheduler);
