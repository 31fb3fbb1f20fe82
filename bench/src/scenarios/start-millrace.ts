/** Starts Millrace for a scenario. */
import { join } from 'node:path';
import { Millrace } from '../peers/millrace.js';
import type { PlatformOptions } from '../peers/platform.js';
import type { Workload } from '../workloads/workload.js';
import { type ScenarioContext, THREADS } from './scenario.js';

/** @param name tells it from others of the same scenario */
export async function startMillrace(
  { directory, redis, signal, cleanup, options: { irisModel } }: ScenarioContext,
  { model, folder }: Pick<Workload, 'model' | 'folder'>,
  options: Pick<PlatformOptions, 'workers' | 'threads' | 'settings'> = { threads: THREADS },
  name = 'millrace',
): Promise<Millrace> {
  const models = { [model]: model === 'iris' ? irisModel : folder };
  const millrace = await Millrace.start(
    { directory: join(directory, name), redis, models, signal, ...options },
    name,
  );
  cleanup.add(() => millrace.stop());
  return millrace;
}
