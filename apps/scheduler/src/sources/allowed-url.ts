/** Which URLs schedules may read: those below the operator's http connections. */
import { RunError } from '../run-error.js';

export interface HttpConnection {
  /** Everything below it may be read. Without a slash at its end, it stands for itself and what is behind a slash. */
  url: string;
  /** Sent with every request below it, and with no other. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * The connection that a URL is below; of several, the one that says most.
 * @throws RunError `source_not_allowed`
 */
export function connectionOf(url: URL, connections: readonly HttpConnection[]): HttpConnection {
  const [connection] = connections
    .filter((each) => isBelow(url, new URL(each.url)))
    .sort((a, b) => new URL(b.url).pathname.length - new URL(a.url).pathname.length);
  if (connection !== undefined) return connection;
  throw new RunError('source_not_allowed', `${shown(url)} is below the url of no http connection`, false);
}

/** A URL as errors show it: a query may hold a key. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function isBelow(url: URL, prefix: URL): boolean {
  if (url.origin !== prefix.origin || url.username !== '' || url.password !== '') return false;
  if (leadsUp(url.pathname)) return false;
  const folder = prefix.pathname.endsWith('/') ? prefix.pathname : `${prefix.pathname}/`;
  return url.pathname === prefix.pathname || url.pathname.startsWith(folder);
}

/**
 * Whether a server may take a part of a path for the folder above, such as one that decodes slashes or leaves out what
 * stands behind a semicolon. Plain dots are resolved by `URL` already.
 */
function leadsUp(pathname: string): boolean {
  const decoded = pathname.replace(/%(?:25)*2e/gi, '.').replace(/%(?:25)*(?:2f|5c)/gi, '/');
  return decoded.includes('/..');
}
