/** RowColumns is responsible for the values of rows: which columns have them, and how they come into the inputs. */
import type { RowId } from '@millrace/batch/errors';
import type { FeatureCodec } from '@millrace/batch/rows/feature-codec';
import type { InputRows } from '@millrace/batch/rows/input-rows';
import { NOT_UTF8 } from '@millrace/batch/rows/record-parser';
import { type CsvColumn, ID_KEY, type RowProblem, type RowReader } from '@millrace/batch/rows/row-reader';
import { NotUtf8Error, type PlainColumn, valueAt } from '../column.js';
import { type Doubtful, fillNumbers, targetOf } from './fill.js';

/** Where the values of a feature are: in one column, or one value of a vector in each. */
type Source = { kind: 'whole'; column: PlainColumn } | { kind: 'spread'; columns: PlainColumn[] };

export class RowColumns {
  /** By feature; undefined where all rows have its default. */
  private readonly sources: (Source | undefined)[] = [];
  private readonly ids: PlainColumn | undefined;

  /** @param plan what each column holds */
  constructor(
    columns: readonly PlainColumn[],
    plan: readonly CsvColumn[],
    private readonly reader: RowReader,
  ) {
    this.ids = columns[plan.indexOf(ID_KEY)];
    plan.forEach((place, at) => {
      const column = columns[at] as PlainColumn;
      if (typeof place === 'number') this.sources[place] = { kind: 'whole', column };
      else if (place !== ID_KEY) {
        const [feature, element] = place;
        const source = this.sources[feature] ?? { kind: 'spread', columns: [] };
        if (source.kind === 'spread') source.columns[element] = column;
        this.sources[feature] = source;
      }
    });
  }

  /** Writes every row to its place in the inputs. @returns 1 for each row that is to be read by itself */
  fill(inputs: readonly InputRows[], rows: number): Doubtful {
    const doubtful: Doubtful = new Uint8Array(rows);
    this.reader.features.forEach((feature, index) => {
      const source = this.sources[index];
      if (source === undefined) {
        for (let row = 0; row < rows; row++) feature.writeFallback(inputs, row);
      } else if (!fillAtOnce(feature, source, inputs, doubtful)) {
        fillByRow(feature, source, inputs, doubtful);
      }
    });
    return doubtful;
  }

  /** Reads a row as it would be in JSON, into its place. */
  read(row: number, inputs: readonly InputRows[]): RowProblem | undefined {
    // Without a prototype, so that no name is special.
    const members: Record<string, unknown> = Object.create(null);
    try {
      this.reader.features.forEach((feature, index) => {
        const source = this.sources[index];
        const value = source && featureValue(feature, source, row);
        if (value !== undefined) members[feature.name] = value;
      });
    } catch (error) {
      return notUtf8(error);
    }
    return this.reader.read(members, inputs, row);
  }

  /** The client's own name for a row; undefined when it has none. */
  idOf(row: number): RowId | undefined | RowProblem {
    if (this.ids === undefined) return undefined;
    try {
      return this.reader.checkId(valueAt(this.ids, row, true));
    } catch (error) {
      return notUtf8(error);
    }
  }
}

/** @returns false when the feature or its columns are not all numbers */
function fillAtOnce(
  feature: FeatureCodec,
  source: Source,
  inputs: readonly InputRows[],
  doubtful: Doubtful,
): boolean {
  const rows = inputs[feature.input] as InputRows;
  const target = rows.kind === 'packed' ? targetOf(feature, rows) : undefined;
  if (target === undefined) return false;
  if (source.kind === 'whole') return fillNumbers(source.column, target, doubtful);
  return source.columns.every((column, element) => {
    const single = { ...target, offset: target.offset + element, shape: [] };
    return fillNumbers(column, single, doubtful);
  });
}

function fillByRow(
  feature: FeatureCodec,
  source: Source,
  inputs: readonly InputRows[],
  doubtful: Doubtful,
): void {
  for (let row = 0; row < doubtful.length; row++) {
    if (doubtful[row] === 0 && !writes(feature, source, inputs, row)) doubtful[row] = 1;
  }
}

function writes(feature: FeatureCodec, source: Source, inputs: readonly InputRows[], row: number): boolean {
  try {
    const value = featureValue(feature, source, row);
    return value !== undefined && feature.write(value, inputs, row);
  } catch (error) {
    notUtf8(error);
    return false;
  }
}

/** A row's value of a feature as JSON has it; undefined where it has none. */
function featureValue({ element }: FeatureCodec, source: Source, row: number): unknown {
  const isExact = element.range?.kind === 'bigint';
  if (source.kind === 'whole') return valueAt(source.column, row, isExact);
  return source.columns.map((column) => valueAt(column, row, isExact));
}

function notUtf8(error: unknown): RowProblem {
  if (error instanceof NotUtf8Error) return NOT_UTF8;
  throw error;
}
