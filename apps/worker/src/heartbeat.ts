/** Keeps telling the catalogue, for as long as the worker runs, which versions it serves. */
import { errorFields, type Logger } from '@millrace/process/logger';
import type { CatalogPublisher, ServedModels } from '@millrace/queue/catalog-publisher';
import { HEARTBEAT_MS } from '@millrace/queue/keys';

export class Heartbeat {
  private timer: NodeJS.Timeout | undefined;
  /** The beat under way; while Redis is away it lasts, and none is added to it. */
  private beating: Promise<void> | undefined;
  /** Something has changed since the beat under way began. */
  private hasNews = false;
  private isStopped = false;

  constructor(
    private readonly publisher: CatalogPublisher,
    private readonly models: () => ServedModels,
    private readonly log: Logger,
  ) {}

  /** Resolves with the first beat, from which on the models are offered. */
  async start(): Promise<void> {
    await this.publisher.beat(this.models(), Date.now());
    this.timer = setInterval(() => this.beatNow(), HEARTBEAT_MS);
  }

  /** For news that should not wait for the next beat. Resolves when they are published, or cannot be. */
  async beatNow(): Promise<void> {
    if (this.isStopped) return;
    this.hasNews = true;
    this.beating ??= this.beat();
    await this.beating;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.beating;
    await this.publisher.leave();
  }

  private async beat(): Promise<void> {
    try {
      while (this.hasNews && !this.isStopped) {
        this.hasNews = false;
        await this.publisher.beat(this.models(), Date.now());
      }
    } catch (error) {
      this.log.warn('the heartbeat failed', errorFields(error));
    } finally {
      this.beating = undefined;
    }
  }
}
