/** Prints the values of one Parquet column as JSON: exact, and in ISO 8601 where they are times. */
import type { SchemaElement, SchemaTree } from 'hyparquet';

/** JSON text of a value, `null` included. */
export type PrintValue = (value: unknown) => string;

/** What hyparquet converts as it should be; the annotations of all others are taken off, and `leafPrinter` reads them. */
const CONVERTED_WELL = new Set(['UINT_32', 'UINT_64', 'INTEGER', 'FLOAT16', 'UUID']);

/** The schema by which values are read without being converted to less exact ones. */
export function plainSchema(schema: readonly SchemaElement[]): SchemaElement[] {
  return schema.map((element) => {
    const { converted_type, logical_type, ...plain } = element;
    const isLeaf = element.type !== undefined;
    const isConvertedWell =
      CONVERTED_WELL.has(converted_type ?? '') || CONVERTED_WELL.has(logical_type?.type ?? '');
    return isLeaf && !isConvertedWell ? plain : element;
  });
}

/**
 * @param column a child of the root of the file's own schema
 * @throws Error that says why no feature can take such a column
 */
export function columnPrinter(column: SchemaTree): PrintValue {
  const printLeaf = leafPrinter(leafOf(column).element);
  const print = (value: unknown): string => {
    if (value === null || value === undefined) return 'null';
    return Array.isArray(value) ? `[${value.map(print).join(',')}]` : printLeaf(value);
  };
  return print;
}

/** Follows lists down to what they hold. @throws Error when there is anything but lists on the way */
export function leafOf(column: SchemaTree): SchemaTree {
  let node = column;
  let isInList = false;
  for (;;) {
    const [child] = node.children;
    if (child === undefined) return node;
    const { converted_type, logical_type, repetition_type } = node.element;
    const isList = converted_type === 'LIST' || logical_type?.type === 'LIST';
    const isListItem = isInList && repetition_type === 'REPEATED';
    if (node.children.length > 1 || !(isList || isListItem)) throw new Error('it is a struct or a map');
    isInList = isList;
    node = child;
  }
}

/** @throws Error that says why no feature can take such a column */
export function leafPrinter(element: SchemaElement): PrintValue {
  const { type, converted_type, logical_type } = element;
  const annotation = logical_type?.type ?? converted_type;
  switch (annotation) {
    case 'DECIMAL':
      return decimalPrinter(element);
    case 'DATE':
      return (days) => quoted(new Date((days as number) * 86_400_000).toISOString().slice(0, 10));
    case 'TIMESTAMP': {
      const { unit, isAdjustedToUTC } = logical_type as { unit: TimeUnit; isAdjustedToUTC: boolean };
      return timestampPrinter(unit, isAdjustedToUTC);
    }
    case 'TIMESTAMP_MILLIS':
    case 'TIMESTAMP_MICROS':
      return timestampPrinter(annotation === 'TIMESTAMP_MILLIS' ? 'MILLIS' : 'MICROS', true);
    case 'TIME':
      return timePrinter((logical_type as { unit: TimeUnit }).unit);
    case 'TIME_MILLIS':
    case 'TIME_MICROS':
      return timePrinter(annotation === 'TIME_MILLIS' ? 'MILLIS' : 'MICROS');
    case 'JSON':
      return (bytes) => jsonLine(UTF8.decode(bytes as Uint8Array));
    case 'UUID':
      return (text) => quoted(text as string);
    case 'FLOAT16':
      return floatText;
    case 'BSON':
    case 'INTERVAL':
    case 'VARIANT':
    case 'GEOMETRY':
    case 'GEOGRAPHY':
      throw new Error(`it is of the type ${annotation}`);
  }
  switch (type) {
    case 'BOOLEAN':
    case 'INT32':
      return String;
    case 'INT64':
      return (value) => wholeText(value as bigint);
    case 'INT96':
      return timestampPrinter('NANOS', true);
    case 'FLOAT':
    case 'DOUBLE':
      return floatText;
    case 'BYTE_ARRAY':
      return (bytes) => quoted(UTF8.decode(bytes as Uint8Array));
    default:
      throw new Error('it holds bytes');
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const quoted: (text: string) => string = JSON.stringify;

/** As rows are read: a number as far as a JSON number is exact, a string of digits beyond. */
function wholeText(value: bigint): string {
  const isExact = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
  return isExact ? String(value) : `"${value}"`;
}

/** JSON has no word for NaN and infinities; as strings they are errors of their rows, and nothing passes for a number. */
function floatText(value: unknown): string {
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** JSON text on one line. Line feeds are white space there: within strings they are escaped. */
function jsonLine(text: string): string {
  JSON.parse(text);
  return text.replace(/[\r\n]/g, ' ');
}

function decimalPrinter({ scale = 0 }: SchemaElement): PrintValue {
  return (value) => {
    const unscaled = value instanceof Uint8Array ? signedInteger(value) : BigInt(value as bigint | number);
    return scale <= 0 ? wholeText(unscaled * 10n ** BigInt(-scale)) : shiftPoint(unscaled, scale);
  };
}

/** Two's complement, big-endian. */
function signedInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0
    ? 0n
    : BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

/** All digits of `unscaled / 10^scale`, as a JSON number: whoever reads it rounds once, to its own precision. */
function shiftPoint(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

type TimeUnit = 'MILLIS' | 'MICROS' | 'NANOS';

const DIGITS: Readonly<Record<TimeUnit, number>> = { MILLIS: 3, MICROS: 6, NANOS: 9 };

/** ISO 8601 with as many digits as the unit has; `Z` for an instant, nothing for a time of no known zone. */
function timestampPrinter(unit: TimeUnit, isInstant: boolean): PrintValue {
  const zone = isInstant ? 'Z' : '';
  return (value) => {
    const { seconds, fraction } = splitSeconds(value as bigint, unit);
    return quoted(
      `${new Date(Number(seconds) * 1000).toISOString().slice(0, -'.000Z'.length)}.${fraction}${zone}`,
    );
  };
}

function timePrinter(unit: TimeUnit): PrintValue {
  return (value) => {
    const { seconds, fraction } = splitSeconds(BigInt(value as bigint | number), unit);
    return quoted(
      `${new Date(Number(seconds) * 1000).toISOString().slice('1970-01-01T'.length, -'.000Z'.length)}.${fraction}`,
    );
  };
}

function splitSeconds(value: bigint, unit: TimeUnit): { seconds: bigint; fraction: string } {
  const perSecond = 10n ** BigInt(DIGITS[unit]);
  const rest = ((value % perSecond) + perSecond) % perSecond;
  return { seconds: (value - rest) / perSecond, fraction: String(rest).padStart(DIGITS[unit], '0') };
}
