/** Reads what an HTTP server has below one of the operator's connections. */
import { RunError } from '../run-error.js';
import { shown } from './allowed-url.js';
import { formatOf, rowsOf } from './formats.js';
import { type Answer, get, type HttpDeps } from './http-get.js';
import { answerRanges } from './http-ranges.js';
import type { OpenSource } from './source.js';
import type { SourceFormat } from './source-file.js';

export interface HttpSource {
  kind: 'http';
  url: string;
  format?: SourceFormat | undefined;
}

/**
 * The request is made here, so that what the server says against it is known before a task is begun. The connection is
 * held until the rows have been read, or the signal ends it.
 * @throws RunError `source_not_found`, `source_not_allowed`, `source_unreadable`, `source_malformed`
 */
export const openHttpSource: OpenSource<HttpSource, HttpDeps> = async (source, deps, { signal }) => {
  const url = parseUrl(source.url);
  const answer = await get(url, deps, signal);
  try {
    const format = answerFormat(url, answer, source.format);
    const name = shown(url);
    return rowsOf(format, [
      { name, stream: () => answer.bytes, ranges: () => answerRanges(url, answer, deps, signal) },
    ]);
  } catch (error) {
    answer.end();
    throw error;
  }
};

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new RunError('source_not_allowed', `"${text}" is no http or https URL`, false);
}

function answerFormat(url: URL, { headers }: Answer, declared?: SourceFormat): SourceFormat {
  const type = headers.get('content-type') ?? undefined;
  if (type !== undefined && /^text\/html\b/i.test(type)) {
    throw new RunError(
      'source_malformed',
      `${shown(url)} answered with a page (${type}), not with rows`,
      false,
    );
  }
  return formatOf(url.pathname, declared, type);
}
