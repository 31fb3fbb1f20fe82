/** What every request gets: an id, a client, a log line and a measurement. */
import { randomUUID } from 'node:crypto';
import type { Logger } from '@millrace/process/logger';
import type { RequestHandler } from 'express';
import { ANONYMOUS, type ApiKeys } from './auth/api-keys.js';
import type { ApiMetrics } from './metrics.js';

declare global {
  namespace Express {
    interface Locals {
      requestId: string;
      client: string;
      /** The task that the request is about, once it is known. */
      taskId?: string;
    }
  }
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,100}$/;

/** Takes the caller's `X-Request-Id` when it is one, and answers with the id in any case. */
export function identifyRequest(log: Logger, metrics: ApiMetrics): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    const given = request.get('x-request-id');
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
    response.locals.requestId = requestId;
    response.set('X-Request-Id', requestId);
    response.once('close', () => {
      const seconds = (performance.now() - startedAt) / 1000;
      // The first of the paths that share a route stands for all of them.
      const [route = 'none'] = [request.route?.path as string | string[] | undefined].flat();
      metrics.request(request.method, route, response.statusCode, seconds);
      log.debug('request', {
        request_id: requestId,
        ...(response.locals.taskId === undefined ? {} : { task_id: response.locals.taskId }),
        method: request.method,
        route,
        status: response.statusCode,
        ms: Math.round(seconds * 1000),
      });
    });
    next();
  };
}

export function identifyClient(keys: ApiKeys | undefined): RequestHandler {
  return async (request, response, next) => {
    response.locals.client =
      keys === undefined ? ANONYMOUS : await keys.authenticate(request.get('authorization'));
    next();
  };
}
