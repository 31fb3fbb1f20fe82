/** Who listens on a port of this machine, for the message of a start that finds it taken. */
import { readdir, readFile, readlink } from 'node:fs/promises';

const LISTEN = '0A';

/** For example `process 4711 (node apps/api/dist/main.js)`; `another process` where the system does not tell. */
export async function portHolder(port: number): Promise<string> {
  try {
    const inodes = await listeningInodes(port);
    const pid = await ownerOf(inodes);
    if (pid === undefined) return 'another process';
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
    return `process ${pid} (${command})`;
  } catch {
    return 'another process';
  }
}

async function listeningInodes(port: number): Promise<Set<string>> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((table) => readFile(`/proc/net/${table}`, 'utf8').catch(() => '')),
  );
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = tables
    .flatMap((table) => table.split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/));
  return new Set(
    sockets
      .filter(([, local, , state]) => state === LISTEN && local?.endsWith(`:${hexPort}`))
      .map((fields) => `socket:[${fields[9]}]`),
  );
}

async function ownerOf(inodes: Set<string>): Promise<string | undefined> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const file of files) {
      const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '');
      if (inodes.has(target)) return pid;
    }
  }
  return undefined;
}
