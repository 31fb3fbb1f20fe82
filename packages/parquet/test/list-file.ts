/** A Parquet file of one column of lists, in one row group. */
import { type ParquetWriteOptions, parquetWriteBuffer } from 'hyparquet-writer';

export function listFile(
  data: unknown[][],
  type: 'BYTE_ARRAY' | 'INT32',
  packing: Pick<ParquetWriteOptions, 'codec' | 'compressors'> = {},
): ArrayBuffer {
  const text = type === 'BYTE_ARRAY' ? ({ converted_type: 'UTF8' } as const) : {};
  return parquetWriteBuffer({
    ...packing,
    columnData: [{ name: 'list', data }],
    schema: [
      { name: 'root', num_children: 1 },
      { name: 'list', converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type, repetition_type: 'OPTIONAL', ...text },
    ],
    rowGroupSize: data.length,
  });
}
