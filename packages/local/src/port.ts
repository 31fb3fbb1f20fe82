/** Finds out before anything is started whether the API will get its port. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { portHolder } from '@millrace/process/port-holder';

/** @throws Error that names the process that holds the port */
export async function assertPortFree(port: number, host: string): Promise<void> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(
      `port ${port} is held by ${await portHolder(port)}. Stop it, or choose another one: PORT=3001 npm start`,
    );
  }
  server.close();
  await once(server, 'close');
}
