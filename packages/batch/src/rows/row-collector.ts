/** The row collector is responsible for what has been read of a chunk so far: tensors, ids, errors, row by row. */
import type { RowError, RowId } from '../errors.js';
import type { DecodedChunk } from './chunk-rows.js';
import type { InputRows } from './input-rows.js';
import type { RowProblem, RowReader } from './row-reader.js';

export class RowCollector {
  readonly inputs: readonly InputRows[];
  private readonly valid: Uint32Array;
  private readonly errors: RowError[] = [];
  private ids: (RowId | undefined)[] | undefined;
  private accepted = 0;
  private place = 0;

  constructor(
    private readonly source: { firstRow: number; rows: number },
    reader: RowReader,
  ) {
    this.inputs = reader.allocate(source.rows);
    this.valid = new Uint32Array(source.rows);
  }

  /** At the first row of the task, where a byte order mark may stand. */
  get atStart(): boolean {
    return this.place === 0 && this.source.firstRow === 0;
  }

  /** Rows that were accepted or rejected. */
  get rows(): number {
    return this.place;
  }

  /** Rows that were accepted: the next one's values belong into this row of the inputs. */
  get validRows(): number {
    return this.accepted;
  }

  /** The next row's values are in the inputs. */
  accept(id: RowId | undefined): void {
    if (id !== undefined) this.keepId(id);
    this.valid[this.accepted] = this.place;
    this.accepted++;
    this.place++;
  }

  reject(problem: RowProblem, id?: RowId): void {
    const error: RowError = {
      row: this.source.firstRow + this.place,
      code: problem.code,
      message: problem.message,
    };
    if (id !== undefined) {
      error.id = id;
      this.keepId(id);
    }
    this.errors.push(error);
    this.place++;
  }

  /** @throws Error when there were more or fewer rows than the chunk was said to have */
  finish(): DecodedChunk {
    if (this.place !== this.source.rows) {
      throw new Error(`the chunk was split as ${this.source.rows} rows and read as ${this.place}`);
    }
    const decoded: DecodedChunk = {
      rows: this.place,
      inputs: this.inputs,
      valid: this.valid.subarray(0, this.accepted),
      errors: this.errors,
    };
    if (this.ids !== undefined) decoded.ids = this.ids;
    return decoded;
  }

  private keepId(id: RowId): void {
    this.ids ??= [];
    this.ids[this.place] = id;
  }
}
