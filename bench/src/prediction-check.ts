/** Compares what was delivered with what bare ONNX Runtime predicts: every row, in order. */

export class DifferenceError extends Error {}

/** What is to come out of a model for some rows. */
export interface Expected {
  /** What is printed for each label, as it comes out of JSON. */
  classes: readonly (string | number)[];
  /** Of each row. Rows beyond the last begin again with the first. */
  labels: ArrayLike<number>;
}

/** A prediction check is responsible for one delivery. */
export class PredictionCheck {
  private taken = 0;

  /** @param firstRow which of the expected rows the first delivered one is */
  constructor(
    private readonly expected: Expected,
    private readonly rows: number,
    private readonly firstRow = 0,
  ) {}

  /** The number of the row that is next in this delivery. */
  get next(): number {
    return this.taken;
  }

  /** @throws DifferenceError that names the row */
  take(prediction: unknown): void {
    const { classes, labels } = this.expected;
    const row = this.firstRow + this.taken;
    if (this.taken === this.rows) throw new DifferenceError(`more than ${this.rows} rows were delivered`);
    const expected = classes[labels[row % labels.length] as number];
    if (prediction !== expected) {
      throw new DifferenceError(`row ${row} is predicted as ${shown(prediction)}, not as ${shown(expected)}`);
    }
    this.taken++;
  }

  /** @throws DifferenceError when rows are missing */
  end(): void {
    if (this.taken !== this.rows) {
      throw new DifferenceError(`${this.taken} rows were delivered, ${this.rows} were sent`);
    }
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 80) ?? 'nothing';
}
