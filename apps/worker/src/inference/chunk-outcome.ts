/** Gathers what came of the rows of a chunk, however they were cut into runs, and encodes it. */
import type { RowCode, RowError } from '@millrace/batch/errors';
import type { Manifest } from '@millrace/batch/manifest/manifest';
import { ColumnBuilder } from '@millrace/batch/results/column';
import { type ChunkResult, encodeChunk } from '@millrace/batch/results/encode-chunk';
import type { DecodedChunk } from '@millrace/batch/rows/chunk-rows';
import type { RunOutput } from './onnx-session.js';

export class ChunkOutcomes {
  private readonly builders: ColumnBuilder[];
  private readonly errors: RowError[];

  constructor(
    private readonly manifest: Manifest,
    private readonly decoded: DecodedChunk,
    private readonly firstRow: number,
  ) {
    this.builders = manifest.outputs.map((output) => new ColumnBuilder(output, decoded.rows));
    this.errors = [...decoded.errors];
  }

  /** @param rows of the inputs */
  predicted(rows: Uint32Array, outputs: readonly RunOutput[]): void {
    const places = rows.map((row) => this.decoded.valid[row] as number);
    this.builders.forEach((builder, at) => {
      const { data, rowShape } = outputs[at] as RunOutput;
      builder.add(places, data, rowShape);
    });
  }

  /** @param rows of the inputs */
  failed(rows: Uint32Array, code: RowCode, message: string): void {
    for (const row of rows) {
      const place = this.decoded.valid[row] as number;
      const id = this.decoded.ids?.[place];
      const error = { row: this.firstRow + place, code, message };
      this.errors.push(id === undefined ? error : { ...error, id });
    }
  }

  encode(): ChunkResult {
    const { rows, ids } = this.decoded;
    return encodeChunk({
      firstRow: this.firstRow,
      rows,
      ...(ids === undefined ? {} : { ids }),
      errors: this.errors.sort((a, b) => a.row - b.row),
      columns: this.builders.map((builder) => builder.finish()),
      shown: this.manifest,
    });
  }
}
