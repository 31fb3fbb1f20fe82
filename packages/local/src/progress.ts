/** A line on a terminal that shows how far something has come; in a file, a line whenever that has changed by a tenth. */

const WIDTH = 30;

export class Progress {
  private shown = '';

  constructor(
    private readonly output: NodeJS.WriteStream,
    private readonly label: string,
  ) {}

  show(done: number, total: number): void {
    const share = total === 0 ? 0 : done / total;
    const filled = Math.round(share * WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`;
    const text = `${this.label} ${bar} ${Math.floor(share * 100)} % ${done}/${total} rows`;
    if (this.output.isTTY) this.output.write(`\r\x1b[K${text}`);
    else if (tenths(text) !== tenths(this.shown)) this.output.write(`${text}\n`);
    this.shown = text;
  }

  end(): void {
    if (this.output.isTTY && this.shown !== '') this.output.write('\n');
  }
}

function tenths(text: string): string | undefined {
  return /(\d*)\d %/.exec(text)?.[1];
}
