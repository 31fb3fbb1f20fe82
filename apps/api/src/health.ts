/** Alive, and able to serve. */
import type { Catalog } from '@millrace/queue/catalog';
import type { RequestHandler } from 'express';
import { sendJson } from './send-json.js';

/** @param serverProblems what is wrong with Redis; rejects when it does not answer */
export function readyRoute(catalog: Catalog, serverProblems: () => Promise<string[]>): RequestHandler {
  return async (_request, response) => {
    const problems = await findProblems(catalog, serverProblems);
    const isReady = problems.length === 0;
    sendJson(response.status(isReady ? 200 : 503), { status: isReady ? 'ready' : 'not_ready', problems });
  };
}

async function findProblems(catalog: Catalog, serverProblems: () => Promise<string[]>): Promise<string[]> {
  try {
    const [server, workers] = await Promise.all([serverProblems(), catalog.readyWorkers()]);
    return workers > 0 ? server : [...server, 'no live worker serves a model'];
  } catch {
    return ['Redis does not answer'];
  }
}
