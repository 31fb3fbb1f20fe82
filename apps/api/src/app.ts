/** Builds the HTTP application from what it needs. */
import { BatchError } from '@millrace/batch/errors';
import express, { type Express, type RequestHandler } from 'express';
import type { Registry } from 'prom-client';
import { identifyClient, identifyRequest } from './access.js';
import type { ApiKeys } from './auth/api-keys.js';
import { openApiRoute } from './docs/openapi-route.js';
import { docsRoutes } from './docs/page.js';
import { readyRoute } from './health.js';
import { listModelsRoute, showModelRoute } from './models.js';
import { problemHandler } from './problem.js';
import { cancelRoute, eraseRoute } from './result/end-task.js';
import { type ResultRouteDeps, resultRoute } from './result/result.js';
import { retryRoute } from './retry/retry.js';
import { backfillRoute } from './schedules/backfill.js';
import {
  changeScheduleRoute,
  createScheduleRoute,
  replaceScheduleRoute,
} from './schedules/define-schedule.js';
import { listDeliveriesRoute } from './schedules/deliveries.js';
import { removeScheduleRoute } from './schedules/remove-schedule.js';
import { cancelRunRoute, listRunsRoute, showRunRoute } from './schedules/runs.js';
import type { ScheduleDeps } from './schedules/schedule-deps.js';
import { listSchedulesRoute, showScheduleRoute } from './schedules/show-schedules.js';
import { startRunRoute } from './schedules/start-run.js';
import { sendJson } from './send-json.js';
import { type SubmitDeps, submitRoute } from './submit/submit.js';

export interface AppDeps extends SubmitDeps, Omit<ResultRouteDeps, 'limits'>, Omit<ScheduleDeps, 'limits'> {
  limits: SubmitDeps['limits'] & ResultRouteDeps['limits'];
  registry: Registry;
  /** Absent: everybody is anonymous. */
  keys: ApiKeys | undefined;
  /** What is wrong with Redis; rejects when it does not answer. */
  serverProblems(): Promise<string[]>;
}

export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(identifyRequest(deps.log, deps.metrics));

  app
    .route('/healthz')
    .get((_request, response) => sendJson(response, { status: 'alive' }))
    .all(refuseMethod('GET'));
  app.route('/readyz').get(readyRoute(deps.catalog, deps.serverProblems)).all(refuseMethod('GET'));

  // The page is the same for everybody and needs no key; what it shows, /openapi.json, names models and does.
  const docs = docsRoutes();
  app.route('/docs').get(docs.page).all(refuseMethod('GET'));
  app.route('/docs/:release/:file').get(docs.asset).all(refuseMethod('GET'));

  app.use(identifyClient(deps.keys));
  app.route(['/batch-predict', '/v1/batch-predict']).post(submitRoute(deps)).all(refuseMethod('POST'));
  app
    .route(['/batch-result/:id', '/v1/batch-result/:id'])
    .get(resultRoute(deps))
    .delete(eraseRoute(deps))
    .all(refuseMethod('GET, DELETE'));
  app
    .route(['/batch-result/:id/cancel', '/v1/batch-result/:id/cancel'])
    .post(cancelRoute(deps))
    .all(refuseMethod('POST'));
  app
    .route(['/batch-result/:id/retry', '/v1/batch-result/:id/retry'])
    .post(retryRoute(deps))
    .all(refuseMethod('POST'));
  app.route('/v1/models').get(listModelsRoute(deps.catalog)).all(refuseMethod('GET'));
  app.route('/v1/models/:model').get(showModelRoute(deps.catalog)).all(refuseMethod('GET'));
  addScheduleRoutes(app, deps);
  app.route('/openapi.json').get(openApiRoute(deps.catalog)).all(refuseMethod('GET'));
  app
    .route('/metrics')
    .get(async (_request, response) => {
      response.type(deps.registry.contentType).send(await deps.registry.metrics());
    })
    .all(refuseMethod('GET'));

  app.use((request, _response, next) =>
    next(new BatchError('not_found', `there is nothing at ${request.path}`)),
  );
  app.use(problemHandler(deps.log));
  return app;
}

function addScheduleRoutes(app: Express, deps: ScheduleDeps): void {
  app
    .route('/v1/schedules')
    .get(listSchedulesRoute(deps))
    .post(createScheduleRoute(deps))
    .all(refuseMethod('GET, POST'));
  app
    .route('/v1/schedules/:name')
    .get(showScheduleRoute(deps))
    .put(replaceScheduleRoute(deps))
    .patch(changeScheduleRoute(deps))
    .delete(removeScheduleRoute(deps))
    .all(refuseMethod('GET, PUT, PATCH, DELETE'));
  app.route('/v1/schedules/:name/run').post(startRunRoute(deps)).all(refuseMethod('POST'));
  app.route('/v1/schedules/:name/backfill').post(backfillRoute(deps)).all(refuseMethod('POST'));
  app.route('/v1/schedules/:name/runs').get(listRunsRoute(deps)).all(refuseMethod('GET'));
  app.route('/v1/schedules/:name/runs/:date').get(showRunRoute(deps)).all(refuseMethod('GET'));
  app.route('/v1/schedules/:name/runs/:date/cancel').post(cancelRunRoute(deps)).all(refuseMethod('POST'));
  app.route('/v1/schedules/:name/deliveries').get(listDeliveriesRoute(deps)).all(refuseMethod('GET'));
}

function refuseMethod(allowed: string): RequestHandler {
  return (request, response, next) => {
    response.set('Allow', allowed);
    next(new BatchError('method_not_allowed', `${request.path} takes ${allowed}, not ${request.method}`));
  };
}
