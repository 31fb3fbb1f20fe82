/** Reads CONNECTIONS_FILE: what schedules may reach, and with which secrets. No message quotes a value of it. */
import { readFile } from 'node:fs/promises';
import { problemsOf, record, strict } from '@millrace/batch/manifest/strict';
import { z } from 'zod';
import { secretKey } from '../webhooks/standard-webhooks.js';

const ConnectionName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
    'a name must be 1 to 63 letters, digits, dashes or underscores, beginning with a letter or digit',
  );

const text = (what: string) => z.string(`must be ${what}`).min(1, `must be ${what}, not empty`);

/** A URL of one of these schemes. */
const url = (...schemes: string[]) => {
  const must = `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  const holds = (given: string) =>
    URL.canParse(given) && schemes.includes(new URL(given).protocol.slice(0, -1));
  return z
    .string(must)
    .refine(holds, must)
    .refine(isEncoded, 'must have its user and password percent-encoded');
};

/** Whether the user and the password of a URL can be decoded, as they are when it is used. */
function isEncoded(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { username, password } = new URL(url);
  return doesNotThrow(() => [username, password].map(decodeURIComponent));
}

function doesNotThrow(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

const Header = z
  .string('must be text')
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be one line of text that a header can carry');

const S3Connection = strict({
  kind: z.literal('s3'),
  /** Absent: the region's endpoint at AWS. */
  endpoint: url('http', 'https').optional(),
  region: text('a region, such as us-east-1'),
  access_key_id: text('an access key id'),
  secret_access_key: text('a secret access key'),
  session_token: text('a session token').optional(),
  /** Buckets in the path rather than in the host name, as most servers that are not AWS want it. */
  path_style: z.boolean('must be true or false').default(false),
});

const PostgresqlConnection = strict({
  kind: z.literal('postgresql'),
  url: url('postgresql', 'postgres'),
  /** Seconds that one statement may take: a batch of rows read or written. */
  statement_timeout: z
    .int('must be whole seconds')
    .min(1, 'must be at least 1 second')
    .max(86_400, 'must be at most 86400 seconds')
    .default(600),
});

const HttpConnection = strict({
  kind: z.literal('http'),
  /** What begins with it may be read. */
  url: url('http', 'https'),
  headers: record(
    z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of a header'),
    Header,
  ).default({}),
});

const WEBHOOK_SECRET = 'must be whsec_ and base64 of 24 to 64 bytes';

const WebhookConnection = strict({
  kind: z.literal('webhook'),
  url: url('http', 'https'),
  secret: z.string(WEBHOOK_SECRET).refine((secret) => doesNotThrow(() => secretKey(secret)), WEBHOOK_SECRET),
});

const KINDS = ['s3', 'postgresql', 'http', 'webhook'] as const;

const Connection = z.discriminatedUnion(
  'kind',
  [S3Connection, PostgresqlConnection, HttpConnection, WebhookConnection],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? `must be one of ${KINDS.join(', ')}` : 'must be an object with a kind',
  },
);

const ConnectionsFile = record(ConnectionName, Connection);

export type Connection = z.infer<typeof Connection>;
export type ConnectionKind = (typeof KINDS)[number];
/** A connection of one kind. */
export type ConnectionOf<Kind extends ConnectionKind> = Extract<Connection, { kind: Kind }>;
export type ConnectionsByName = Readonly<Record<string, Connection>>;

/** @throws Error that names the file and the entries, when it cannot be read or does not hold */
export async function readConnections(path: string): Promise<ConnectionsByName> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`CONNECTIONS_FILE cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const result = ConnectionsFile.safeParse(parseJson(path, content));
  if (!result.success) {
    throw new Error(`CONNECTIONS_FILE ${path} does not hold: ${problemsOf(result.error)}`);
  }
  return result.data;
}

/** The parser's own message quotes what stands around the error, which may be a secret. */
function parseJson(path: string, content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    const position = /at position (\d+)/.exec((error as Error).message)?.[1];
    throw new Error(`CONNECTIONS_FILE ${path} is not JSON${placeOf(content, position)}`);
  }
}

function placeOf(content: string, position: string | undefined): string {
  if (position === undefined) return '';
  const lines = content.slice(0, Number(position)).split('\n');
  return `: line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`;
}
