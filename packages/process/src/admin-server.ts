/** The small server of a process that serves nobody else: alive, ready, metrics. */
import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';

export interface AdminServerDeps {
  registry: Registry;
  /** What keeps this process from working; empty when nothing does. */
  problems(): string[];
}

export function createAdminServer({ registry, problems }: AdminServerDeps): Server {
  return createServer(async (request, response) => {
    const answer = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    switch (request.url) {
      case '/healthz':
        return answer(200, 'application/json', '{"status":"alive"}\n');
      case '/readyz': {
        const found = problems();
        const status = found.length === 0 ? 'ready' : 'not_ready';
        return answer(
          found.length === 0 ? 200 : 503,
          'application/json',
          `${JSON.stringify({ status, problems: found })}\n`,
        );
      }
      case '/metrics':
        return answer(200, registry.contentType, await registry.metrics());
      default:
        return answer(404, 'application/json', '{"code":"not_found"}\n');
    }
  });
}

export async function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
