/** Has the registry look at the model directory, once at first, and then again and again. */
import { errorFields, type Logger } from '@millrace/process/logger';
import type { ModelRegistry } from './model-registry.js';

export class ModelFollower {
  private timer: NodeJS.Timeout | undefined;
  /** The look under way; while a version is being proved it lasts, and none is added to it. */
  private looking: Promise<void> | undefined;
  private isStopped = false;
  /** The last error, which is logged once and not with every look. */
  private lastError = '';

  constructor(
    private readonly models: ModelRegistry,
    private readonly pollMs: number,
    private readonly log: Logger,
  ) {}

  /** Resolves when everything has been looked at once. @throws Error when the directory cannot be read */
  async start(): Promise<void> {
    const opening = this.models.open();
    this.looking = opening.catch(() => {});
    await opening;
    this.looking = undefined;
    if (this.isStopped) return;
    this.timer = setInterval(() => {
      this.looking ??= this.look();
    }, this.pollMs);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.models.stop();
    await this.looking;
  }

  private async look(): Promise<void> {
    try {
      await this.models.refresh();
      this.lastError = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.lastError) this.log.error('the models cannot be followed', errorFields(error));
      this.lastError = message;
    } finally {
      this.looking = undefined;
    }
  }
}
