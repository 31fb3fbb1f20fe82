/** Who may: clients and the SHA-256 of their keys, in a file that may change while the API runs. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { BatchError } from '@millrace/batch/errors';
import { errorFields, type Logger } from '@millrace/process/logger';
import { z } from 'zod';

/** Without keys everybody is this client. */
export const ANONYMOUS = 'anonymous';

export const ClientName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const KeyFile = z.strictObject({
  keys: z.array(
    z.strictObject({
      client: ClientName,
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      created_at: z.string(),
    }),
  ),
});
export type KeyFile = z.infer<typeof KeyFile>;

const RECHECK_MS = 1_000;

export class ApiKeys {
  private clients = new Map<string, string>();
  private modifiedAt = 0;
  private checkedAt = 0;

  private constructor(
    private readonly path: string,
    private readonly log: Logger,
  ) {}

  /** @throws Error when the file cannot be read or does not hold */
  static async open(path: string, log: Logger): Promise<ApiKeys> {
    const keys = new ApiKeys(path, log);
    await keys.reload();
    return keys;
  }

  /** The client that this `Authorization` header stands for. @throws BatchError `unauthorized` */
  async authenticate(header: string | undefined): Promise<string> {
    await this.recheck();
    const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
    const client = token === undefined ? undefined : this.clients.get(sha256(token));
    if (client !== undefined) return client;
    const reason = header === undefined ? 'this needs "Authorization: Bearer <key>"' : 'the key is not known';
    throw new BatchError('unauthorized', reason);
  }

  /** A revoked key ends within a second; a file that has become unreadable leaves the last good one in force. */
  private async recheck(): Promise<void> {
    if (Date.now() - this.checkedAt < RECHECK_MS) return;
    this.checkedAt = Date.now();
    try {
      if ((await stat(this.path)).mtimeMs !== this.modifiedAt) await this.reload();
    } catch (error) {
      this.log.error('the API keys cannot be read again; the last ones stay in force', errorFields(error));
    }
  }

  private async reload(): Promise<void> {
    const { keys } = await readKeyFile(this.path);
    const { mtimeMs } = await stat(this.path);
    this.clients = new Map(keys.map((key) => [key.sha256, key.client]));
    this.modifiedAt = mtimeMs;
    this.log.info('API keys read', { keys: keys.length });
  }
}

/** @throws Error that names the file, when it cannot be read or does not hold */
export async function readKeyFile(path: string): Promise<KeyFile> {
  try {
    return KeyFile.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Error(`there is no key file ${path}; make one with: npm run keys -- create <client>`, {
        cause: error,
      });
    }
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(`the key file ${path} does not hold: ${reason}`, { cause: error });
  }
}

/** Replaces the file in one step; only its owner may read it. */
export async function writeKeyFile(path: string, file: KeyFile): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

/** A new key for a client, and the entry that stands for it in the file. 256 random bits need no slow hash. */
export function createKey(client: string, now: Date): { key: string; entry: KeyFile['keys'][number] } {
  const key = `mr_${randomBytes(32).toString('base64url')}`;
  return { key, entry: { client, sha256: sha256(key), created_at: now.toISOString() } };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
