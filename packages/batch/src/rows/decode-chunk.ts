/** Turns the bytes of a chunk into input tensors, the ids, and an error for every row that could not be read. */
import { LF } from './byte-cursor.js';
import type { ChunkSource, DecodedChunk } from './chunk-rows.js';
import { csvLayout } from './csv-layout.js';
import { jsonLayout } from './json-layout.js';
import { LayoutReader } from './layout-reader.js';
import { RecordParser } from './record-parser.js';
import { RowCollector } from './row-collector.js';
import type { RowReader } from './row-reader.js';

export function decodeChunk(source: ChunkSource, reader: RowReader): DecodedChunk {
  const collector = new RowCollector(source, reader);
  const parser = new RecordParser(source, reader, collector);
  parser.readRest(readByLayout(source, reader, collector, parser));
  return collector.finish();
}

/** Records that may look otherwise than the ones before them, before it is no longer worth while to look. */
const MISSES_MAX = 16;
/** And of how many one may. */
const MISSES_SHARE = 8;

/** A row is learnt from only where at least twice its bytes follow: it takes as long as parsing it. */
const PAYS = 2;

/**
 * Reads records as long as most of them are laid out in one way; the others are parsed.
 * @returns where it has stopped
 */
function readByLayout(
  source: ChunkSource,
  reader: RowReader,
  collector: RowCollector,
  parser: RecordParser,
): number {
  if (!reader.hasLayout) return 0;
  const { format, bytes, columns } = source;
  const { inputs } = collector;
  const byLayout = new LayoutReader(bytes, reader, inputs);
  let layout = format === 'csv' ? csvLayout(columns ?? [], reader, inputs) : undefined;
  const end = bytes.lastIndexOf(LF) + 1;
  let misses = 0;
  // One odd row says nothing about those behind it.
  let isAfterHit = false;
  let start = 0;
  while (start < end && misses <= MISSES_MAX + collector.rows / MISSES_SHARE) {
    const behind = layout && byLayout.read(layout, start, collector.validRows);
    if (behind !== undefined) {
      collector.accept(byLayout.id);
      start = behind;
      isAfterHit = true;
      continue;
    }
    misses++;
    const known = collector.validRows;
    const next = parser.readOne(start);
    const isGood = collector.validRows > known;
    const isLearnt = format === 'ndjson' && !isAfterHit && isGood && end - next >= PAYS * (next - start);
    if (isLearnt) layout = jsonLayout(bytes.subarray(start, next), reader, inputs);
    isAfterHit = false;
    start = next;
  }
  return start;
}
