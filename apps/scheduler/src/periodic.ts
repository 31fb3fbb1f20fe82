/** Does one thing again and again, never twice at once. */
export class Periodic {
  private timer: NodeJS.Timeout | undefined;
  private doing: Promise<void> | undefined;

  /** @param onError hears of what goes wrong, except the first time */
  constructor(
    private readonly intervalMs: number,
    private readonly work: () => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Resolves when it has been done once. */
  async start(): Promise<void> {
    await this.work();
    this.timer = setInterval(() => {
      this.doing ??= this.work()
        .catch(this.onError)
        .finally(() => {
          this.doing = undefined;
        });
    }, this.intervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.doing;
  }
}
