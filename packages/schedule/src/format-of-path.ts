/** The format that the end of a path or a key tells. */

export const SOURCE_FORMATS = ['ndjson', 'csv', 'parquet'] as const;
export type SourceFormat = (typeof SOURCE_FORMATS)[number];
export const SINK_FORMATS = ['ndjson', 'csv'] as const;
export type SinkFormat = (typeof SINK_FORMATS)[number];

/** `.ndjson`, `.jsonl`, `.csv` or `.parquet`; `.gz` may come behind, but for Parquet. Undefined for any other end. */
export function sourceFormatOf(path: string): SourceFormat | undefined {
  const end = /\.(?:(ndjson|jsonl|csv)(?:\.gz)?|(parquet))$/i.exec(path);
  return end === null ? undefined : formatNamed(end[1] ?? 'parquet');
}

/** `.ndjson`, `.jsonl` or `.csv`; undefined for any other end. */
export function sinkFormatOf(path: string): SinkFormat | undefined {
  const end = /\.(ndjson|jsonl|csv)$/i.exec(path);
  return end?.[1] === undefined ? undefined : (formatNamed(end[1]) as SinkFormat);
}

function formatNamed(extension: string): SourceFormat {
  const name = extension.toLowerCase();
  return name === 'jsonl' ? 'ndjson' : (name as SourceFormat);
}
