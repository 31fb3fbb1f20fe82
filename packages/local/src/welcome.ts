/** What a newcomer needs once the platform is up: the URL, a command that submits a real row, a command that polls. */
import { z } from 'zod';

const READY_MS = 30_000;
const ASK_AGAIN_MS = 100;

const ModelList = z.object({ models: z.array(z.object({ name: z.string(), example: z.unknown() })) });

/** @param needsKey every request must carry a key, which only its owner has */
export async function welcome(url: string, needsKey: boolean, say: (line: string) => void): Promise<void> {
  await untilReady(url);
  const header = needsKey ? ` -H 'authorization: Bearer <key>'` : '';
  const { name, example } = needsKey ? { name: '<model>', example: {} } : await shownModel(url);
  say('');
  say(`Millrace is ready: ${url}`);
  say(
    `  submit  curl -s -X POST '${url}/batch-predict?model=${name}'${header} -H 'content-type: application/json' -d '${JSON.stringify([example])}'`,
  );
  say(`  poll    curl -s${header} ${url}/batch-result/<task_id>`);
  say('');
}

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const response = await fetch(`${url}/readyz`);
    const body = await response.text();
    if (response.ok) return;
    if (Date.now() > deadline) throw new Error(`it is not ready after ${READY_MS / 1000} s: ${body}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

async function shownModel(url: string): Promise<{ name: string; example?: unknown }> {
  const response = await fetch(`${url}/v1/models`);
  const { models } = ModelList.parse(await response.json());
  // The model of the README, if it is there.
  const model = models.find(({ name }) => name === 'iris') ?? models[0];
  if (model === undefined) throw new Error('no model is served');
  return model;
}
