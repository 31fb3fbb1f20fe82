/**
 * The steps of a task that must happen whole or not at all, each one script. All keys share the task's hash tag. Each may
 * be sent again after a lost reply: the second run changes nothing and answers so that the caller goes on.
 */
import { CHUNK_SCRIPTS } from './chunk-scripts.js';
import { END_SCRIPTS } from './end-scripts.js';
import { UPLOAD_SCRIPTS } from './upload-scripts.js';

export const TASK_SCRIPTS = { ...UPLOAD_SCRIPTS, ...CHUNK_SCRIPTS, ...END_SCRIPTS };
