/** The cursor watch is responsible for one follower of the cursor: each row once, in order, page by page. */

export interface ResultPage {
  results: readonly { row: number }[];
  next: string;
  complete: boolean;
}

export class CursorWatch {
  /** The rows so far, as text. */
  readonly rows: string[] = [];

  /** @param limit rows that were asked for, per page */
  constructor(private readonly limit: number) {}

  /** What is wrong with the next page; empty when nothing is. */
  see({ results, next }: ResultPage): string[] {
    const problems =
      results.length > this.limit ? [`a page of ${results.length} rows, not ${this.limit}`] : [];
    for (const row of results) {
      if (row.row !== this.rows.length) {
        problems.push(`the page before ${next} gives row ${row.row} in the place of row ${this.rows.length}`);
      }
      this.rows.push(JSON.stringify(row));
    }
    return problems.slice(0, 1);
  }

  /** What the rows of all pages lack or have too much, given the lines of the finished result. */
  compare(lines: readonly string[]): string[] {
    const expected = lines.map((line) => JSON.stringify(JSON.parse(line)));
    if (this.rows.join('\n') === expected.join('\n')) return [];
    return [`${this.rows.length} rows by the cursor are not the ${expected.length} of the result`];
  }
}
