/** The dictionary store is responsible for the values that dictionary-encoded columns of a stream point into. */
import type { SharedValues } from '../column.js';
import type { ArrowField, ArrowType } from './arrow-type.js';
import { readBatch, sharedValues } from './batch.js';
import { MalformedArrowError, type Table } from './flatbuffer.js';
import { DICTIONARY_HINT, MessageTooLargeError } from './message-reader.js';

export class DictionaryStore {
  /** By the number that the schema gives them. */
  readonly values = new Map<number, SharedValues>();
  private readonly types: ReadonlyMap<number, ArrowType>;
  private readonly bytes = new Map<number, number>();
  private totalBytes = 0;

  /** @param maxBytes of all of them together */
  constructor(
    fields: readonly ArrowField[],
    private readonly maxBytes: number,
  ) {
    this.types = dictionaryTypes(fields.map(({ type }) => type));
  }

  /** As long as columns may point into them. */
  get heldBytes(): number {
    return this.totalBytes;
  }

  /** Takes a dictionary in, in place of the one before. @throws MalformedArrowError, MessageTooLargeError */
  add(header: Table, body: Uint8Array): void {
    const id = header.size(0);
    const batch = header.table(1);
    const type = this.types.get(id);
    if (type === undefined || batch === undefined) {
      throw new MalformedArrowError('it has a dictionary that no column points into');
    }
    if (header.bool(2)) {
      throw new MalformedArrowError(
        'it has a delta dictionary, which is not read; write whole dictionaries (emit_dictionary_deltas=False)',
      );
    }
    this.totalBytes += body.length - (this.bytes.get(id) ?? 0);
    this.bytes.set(id, body.length);
    if (this.totalBytes > this.maxBytes) {
      throw new MessageTooLargeError(
        'the dictionaries have',
        this.totalBytes,
        this.maxBytes,
        DICTIONARY_HINT,
      );
    }
    const { columns } = readBatch([{ name: '', type }], batch, body, this.values);
    const [column] = columns;
    if (column !== undefined) this.values.set(id, sharedValues(column));
  }
}

function dictionaryTypes(types: readonly ArrowType[]): Map<number, ArrowType> {
  const found = new Map<number, ArrowType>();
  for (const type of types) {
    if (type.layout === 'dictionary') found.set(type.id, type.value);
    else if ('item' in type) for (const [id, value] of dictionaryTypes([type.item])) found.set(id, value);
  }
  return found;
}
