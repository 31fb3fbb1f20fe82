/** Reads rows into the packed input tensor of a model, and says what is wrong with the ones that do not fit. */
import { didYouMean } from '../did-you-mean.js';
import type { RowCode, RowId } from '../errors.js';
import type { Feature, Manifest } from '../manifest.js';

/** Why a row was not read. `feature` is the first one at fault, where there is one. */
export interface RowProblem {
  code: RowCode;
  message: string;
  feature?: string;
}

/** The key under which an object row, or the column under which a CSV row, carries the client's own name for it. */
export const ID_KEY = 'id';
const ID_MAX_LENGTH = 256;
/** Rounds to the largest float32, and is how that prints. */
const FLOAT32_MAX = 3.4028235e38;
/** Up to here float32 holds every whole number. */
const FLOAT32_INT_MAX = 2 ** 24;
const PROBLEMS_SHOWN = 5;

/** What one feature needs to be checked: its bounds, closed to what float32 can hold. */
interface Slot {
  name: string;
  integer: boolean;
  min: number;
  max: number;
}

export class RowReader {
  /** Elements of the input tensor per row. */
  readonly width: number;
  private readonly slots: readonly Slot[];
  private readonly names: ReadonlySet<string>;
  private readonly hasIdFeature: boolean;

  constructor(manifest: Manifest) {
    this.slots = manifest.features.map(slotOf);
    this.width = this.slots.length;
    this.names = new Set(this.slots.map((slot) => slot.name));
    this.hasIdFeature = this.names.has(ID_KEY);
  }

  /**
   * Writes a parsed JSON row (an object by feature name, an array in feature order, or the bare value of a model with
   * one feature) to `tensor[offset … offset + width)`. When it returns a problem, what it wrote there has no meaning.
   */
  read(row: unknown, tensor: Float32Array, offset: number): RowProblem | undefined {
    if (Array.isArray(row)) return this.readArray(row, tensor, offset);
    if (typeof row === 'object' && row !== null) {
      return this.readObject(row as Record<string, unknown>, tensor, offset);
    }
    if (this.width === 1) return this.readArray([row], tensor, offset);
    return {
      code: 'wrong_row_type',
      message: `expected an object or an array of ${this.width} values, got ${describe(row)}`,
    };
  }

  /** The client's own name for a row; `undefined` when it has none. */
  idOf(row: unknown): RowId | undefined | RowProblem {
    if (this.hasIdFeature || typeof row !== 'object' || row === null || Array.isArray(row)) return undefined;
    const id = (row as Record<string, unknown>)[ID_KEY];
    if (id === undefined || id === null) return undefined;
    if (typeof id === 'string' && id.length <= ID_MAX_LENGTH) return id;
    // Beyond that the number is no longer the one that was sent.
    if (typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER) return id;
    return {
      code: 'invalid_id',
      message: `id must be a string of at most ${ID_MAX_LENGTH} characters or a number up to 2^53 - 1, got ${describe(id)}`,
    };
  }

  private readObject(
    row: Record<string, unknown>,
    tensor: Float32Array,
    offset: number,
  ): RowProblem | undefined {
    const slots = this.slots;
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as Slot;
      const value = row[slot.name];
      if (!fits(value, slot)) return this.explainObject(row);
      tensor[offset + index] = value;
    }
    const keys = Object.keys(row).length;
    const idKeys = !this.hasIdFeature && Object.hasOwn(row, ID_KEY) ? 1 : 0;
    return keys === slots.length + idKeys ? undefined : this.explainObject(row);
  }

  private readArray(row: readonly unknown[], tensor: Float32Array, offset: number): RowProblem | undefined {
    const slots = this.slots;
    if (row.length !== slots.length) {
      return { code: 'wrong_length', message: `expected ${slots.length} values, got ${row.length}` };
    }
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as Slot;
      const value = row[index];
      if (!fits(value, slot)) return combine(slots.map((each, at) => problemOf(row[at], each)));
      tensor[offset + index] = value;
    }
    return undefined;
  }

  private explainObject(row: Record<string, unknown>): RowProblem | undefined {
    const absent = this.slots.filter((slot) => !Object.hasOwn(row, slot.name)).map((slot) => slot.name);
    const problems = this.slots
      .map((slot) => (Object.hasOwn(row, slot.name) ? problemOf(row[slot.name], slot) : missing(slot)))
      .filter((each) => each !== undefined);
    for (const key of Object.keys(row)) {
      if (this.names.has(key) || key === ID_KEY) continue;
      // A hint that is not shown is not looked for: with thousands of features that takes seconds per row.
      const hint = problems.length < PROBLEMS_SHOWN ? didYouMean(key, absent) : '';
      problems.push({
        code: 'unknown_feature',
        message: `${shorten(key)}: the model has no such feature${hint}`,
        feature: key,
      });
    }
    return combine(problems);
  }

  /** Reads the fields of a CSV record; `columns[i]` is the feature that field i holds, or the id. */
  readFields(
    fields: readonly string[],
    columns: readonly CsvColumn[],
    tensor: Float32Array,
    offset: number,
  ): RowProblem | undefined {
    if (fields.length !== columns.length) {
      return { code: 'wrong_length', message: `expected ${columns.length} fields, got ${fields.length}` };
    }
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index] as CsvColumn;
      if (column === ID_KEY) continue;
      const slot = this.slots[column] as Slot;
      const value = numberOf(fields[index] as string);
      if (!fits(value, slot)) {
        return combine(
          columns.map((each, at) =>
            each === ID_KEY ? undefined : fieldProblem(fields[at] as string, this.slots[each] as Slot),
          ),
        );
      }
      tensor[offset + column] = value;
    }
    return undefined;
  }
}

/** A CSV column: the index of a feature, or the id. */
export type CsvColumn = number | typeof ID_KEY;

function slotOf(feature: Feature): Slot {
  const limit = feature.type === 'int' ? FLOAT32_INT_MAX : FLOAT32_MAX;
  return {
    name: feature.name,
    integer: feature.type === 'int',
    min: Math.max(feature.min ?? -limit, -limit),
    max: Math.min(feature.max ?? limit, limit),
  };
}

function fits(value: unknown, slot: Slot): value is number {
  return (
    typeof value === 'number' &&
    value >= slot.min &&
    value <= slot.max &&
    (!slot.integer || Number.isInteger(value))
  );
}

function problemOf(value: unknown, slot: Slot): RowProblem | undefined {
  if (fits(value, slot)) return undefined;
  const wanted = slot.integer ? 'a whole number' : 'a number';
  if (typeof value !== 'number' || (slot.integer && Number.isFinite(value) && !Number.isInteger(value))) {
    return problem('wrong_type', slot, `expected ${wanted}, got ${describe(value)}`);
  }
  return problem('out_of_range', slot, `${value} is outside ${slot.min} to ${slot.max}`);
}

function fieldProblem(field: string, slot: Slot): RowProblem | undefined {
  if (field.trim() === '') return missing(slot);
  const value = numberOf(field);
  return problemOf(Number.isNaN(value) ? field : value, slot);
}

function missing(slot: Slot): RowProblem {
  return problem('missing_feature', slot, 'is missing');
}

function problem(code: RowCode, slot: Slot, message: string): RowProblem {
  return { code, message: `${slot.name}: ${message}`, feature: slot.name };
}

/** One problem that carries the code of the first and the words of all. */
function combine(problems: readonly (RowProblem | undefined)[]): RowProblem | undefined {
  const found = problems.filter((each) => each !== undefined);
  const [first] = found;
  if (first === undefined) return undefined;
  const shown = found.slice(0, PROBLEMS_SHOWN).map((each) => each.message);
  const rest = found.length - shown.length;
  return { ...first, message: shown.join('; ') + (rest > 0 ? `; and ${rest} more` : '') };
}

/** No two parts can match the same digit: a long field is refused in one pass. */
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The number that a CSV field spells in decimal; NaN for anything else, `0x10` and `Infinity` included. */
function numberOf(field: string): number {
  const text = field.trim();
  return DECIMAL.test(text) ? Number(text) : Number.NaN;
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length} values`;
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(shorten(value))}`;
    case 'object':
      return 'an object';
    default:
      return String(value);
  }
}

function shorten(text: string): string {
  // Half of a surrogate pair would not survive UTF-8.
  return text.length <= 40 ? text : `${text.slice(0, 39).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
