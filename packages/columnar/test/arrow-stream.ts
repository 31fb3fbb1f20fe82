/** Arrow streams of JSON rows, written by Arrow's own library. */
import { type Feature, shapeOf } from '@millrace/batch/manifest/feature';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import {
  Bool,
  type Data,
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Uint64,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';

/** Which of the types that a feature's values may have in Arrow is taken. */
export interface Choices {
  dictionaries: boolean;
  fixedLists: boolean;
  /** Vectors by their values, as `v.0`, `v.1`, where every row has a whole one. */
  spread?: boolean;
  /** Of record batches, in rows. */
  batchRows: number;
}

export const PLAIN: Choices = { dictionaries: false, fixedLists: false, batchRows: 1_000 };

export type Row = Readonly<Record<string, unknown>>;

export interface ArrowColumn {
  name: string;
  type: DataType;
  values: readonly unknown[];
}

/** A stream with a column for each feature, and one of ids when a row has one. */
export function arrowStream(manifest: Manifest, rows: readonly Row[], choices = PLAIN): Uint8Array {
  const columns = manifest.features.flatMap((feature): ArrowColumn[] => {
    const { name } = feature;
    const cells = rows.map((row) => (Object.hasOwn(row, name) ? row[name] : null));
    if (choices.spread && isVector(feature, manifest) && cells.every(isWhole(feature))) {
      return spreadColumns(
        feature,
        cells as unknown[][],
        singleType(feature, feature.element, manifest, choices),
      );
    }
    const type = featureType(feature, manifest, choices);
    return [{ name, type, values: cells.map((cell) => arrowValue(cell, type)) }];
  });
  if (rows.some((row) => row.id !== undefined) && columns.every(({ name }) => name !== 'id')) {
    columns.push({ name: 'id', type: new Utf8(), values: rows.map((row) => row.id ?? null) });
  }
  return tableStream(columns, choices.batchRows);
}

type Vector = Extract<Feature, { type: 'vector' }>;

/** Whose columns could be no other feature, and no ids. */
function isVector(feature: Feature, { features }: Manifest): feature is Vector {
  if (feature.name === 'id') return false;
  return feature.type === 'vector' && !features.some(({ name }) => name.startsWith(`${feature.name}.`));
}

const isWhole = (vector: Vector) => (cell: unknown) =>
  Array.isArray(cell) && cell.length === vector.length && !cell.includes(null);

function spreadColumns({ name, length }: Vector, cells: readonly unknown[][], type: DataType): ArrowColumn[] {
  return Array.from({ length }, (_, at) => ({
    name: `${name}.${at}`,
    type,
    values: cells.map((cell) => arrowValue(cell[at], type)),
  }));
}

/** A stream of the columns, cut into record batches of so many rows. */
export function tableStream(columns: readonly ArrowColumn[], batchRows = 1_000): Uint8Array {
  const vectors = columns.map(({ values, type }) => vectorFromArray(values, type));
  const schema = new Schema(
    columns.map(({ name }, at) => new Field(name, vectors[at]?.type as DataType, true)),
  );
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  const rows = columns[0]?.values.length ?? 0;
  for (let start = 0; start < rows; start += batchRows) {
    const end = Math.min(rows, start + batchRows);
    const children = vectors.map((vector) => vector.slice(start, end).data[0] as Data);
    const type = new Struct(schema.fields);
    writer.write(new RecordBatch(schema, makeData({ type, length: end - start, nullCount: 0, children })));
  }
  writer.finish();
  return writer.toUint8Array(true);
}

function featureType(feature: Feature, manifest: Manifest, choices: Choices): DataType {
  const element = 'element' in feature ? feature.element : feature.type;
  const single = singleType(feature, element, manifest, choices);
  return shapeOf(feature).reduceRight<DataType>((item, size) => {
    const field = new Field('item', item, true);
    return choices.fixedLists && size !== null ? new FixedSizeList(size, field) : new List(field);
  }, single);
}

function singleType(feature: Feature, element: string, manifest: Manifest, choices: Choices): DataType {
  const input = manifest.inputs.find(({ features }) => features.includes(feature.name));
  switch (element) {
    case 'bool':
      return new Bool();
    case 'float':
      return input?.type === 'float32' ? new Float32() : new Float64();
    case 'int':
      return input?.type === 'uint64' ? new Uint64() : new Int64();
    case 'category':
      if (feature.type === 'category' && typeof feature.values[0] === 'number') return new Int32();
      break;
  }
  return choices.dictionaries && shapeOf(feature).length === 0
    ? new Dictionary(new Utf8(), new Int32())
    : new Utf8();
}

function arrowValue(value: unknown, type: DataType): unknown {
  if (Array.isArray(value)) return value.map((each) => arrowValue(each, type.children[0]?.type as DataType));
  const is64 = type instanceof Int64 || type instanceof Uint64;
  return is64 && (typeof value === 'number' || typeof value === 'string') ? BigInt(value) : (value ?? null);
}
