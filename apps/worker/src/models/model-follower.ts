/** Has the registry look at the model directory, again and again, and tells those who need to know what has changed. */
import { errorFields, type Logger } from '@millrace/process/logger';
import type { ModelRegistry } from './model-registry.js';

export class ModelFollower {
  private timer: NodeJS.Timeout | undefined;
  /** The look under way; while a version is being proved it lasts, and none is added to it. */
  private looking: Promise<void> | undefined;
  /** The last error, which is logged once and not with every look. */
  private lastError = '';

  /** @param onChange called when other models are served, refused, or named by aliases than before */
  constructor(
    private readonly models: ModelRegistry,
    private readonly onChange: () => void,
    private readonly pollMs: number,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look();
    }, this.pollMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  private async look(): Promise<void> {
    try {
      const before = JSON.stringify(this.models.models);
      await this.models.refresh();
      this.lastError = '';
      if (JSON.stringify(this.models.models) !== before) this.onChange();
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.lastError) this.log.error('the models cannot be followed', errorFields(error));
      this.lastError = message;
    } finally {
      this.looking = undefined;
    }
  }
}
