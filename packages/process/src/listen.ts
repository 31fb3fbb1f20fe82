/** Starts a server on a port, and says who holds it when somebody does. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { portHolder } from './port-holder.js';

/**
 * @param setting the name of the setting that the port comes from
 * @returns the port in use, which differs from the one asked for when that is 0
 * @throws Error that says what is in the way
 */
export async function listen(server: Server, port: number, host: string, setting: string): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE')
      throw new Error(`cannot listen on ${host} port ${port} (${code})`, { cause: error });
    throw new Error(
      `port ${port} is held by ${await portHolder(port)}; stop it, or set ${setting} to another one`,
    );
  }
  return (server.address() as AddressInfo).port;
}
