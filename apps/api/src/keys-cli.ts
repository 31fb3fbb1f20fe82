/** `npm run keys -- create <client>`: makes a key, stores its hash, prints it once. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClientName, createKey, type KeyFile, readKeyFile, writeKeyFile } from './auth/api-keys.js';

const USAGE = `Usage:
  npm run keys -- create <client>   make a key for a client and print it, once
  npm run keys -- list              show the clients and when their keys were made
  npm run keys -- revoke <client>   remove all keys of a client

The file is $API_KEYS_FILE, or .data/api-keys.json. A running API notices changes within a second.
`;

const path = process.env.API_KEYS_FILE || '.data/api-keys.json';
const [command, client = ''] = process.argv.slice(2);

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function run(): Promise<number> {
  switch (command) {
    case 'create':
      return create();
    case 'list':
      for (const key of (await read()).keys) process.stdout.write(`${key.client}\t${key.created_at}\n`);
      return 0;
    case 'revoke':
      return revoke();
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}

async function create(): Promise<number> {
  if (!ClientName.safeParse(client).success) {
    process.stderr.write(
      `A client is named by 1 to 64 letters, digits, dots, dashes or underscores, not "${client}".\n`,
    );
    return 2;
  }
  const { keys } = await read();
  const { key, entry } = createKey(client, new Date());
  await mkdir(dirname(path), { recursive: true });
  await writeKeyFile(path, { keys: [...keys, entry] });
  process.stdout.write(`${key}\n`);
  process.stderr.write(`This is the key of ${client}; it is stored nowhere. Its hash is in ${path}.\n`);
  process.stderr.write(
    `Start with API_KEYS_FILE=${path}, and send the header "Authorization: Bearer <key>".\n`,
  );
  return 0;
}

async function revoke(): Promise<number> {
  const { keys } = await read();
  const kept = keys.filter((key) => key.client !== client);
  if (kept.length === keys.length) {
    process.stderr.write(`There is no key of "${client}" in ${path}.\n`);
    return 1;
  }
  await writeKeyFile(path, { keys: kept });
  process.stdout.write(`Removed ${keys.length - kept.length} key(s) of ${client}.\n`);
  return 0;
}

async function read(): Promise<KeyFile> {
  try {
    return await readKeyFile(path);
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException).code === 'ENOENT') return { keys: [] };
    throw error;
  }
}
