/**
 * The alarm store is responsible for alarms between the script that raises one and the job that delivers it, so that a
 * crash in between loses none; and for the log of deliveries.
 */
import type { RedisConnection } from '../connection.js';
import { type Keys, RUN_KEPT_MS } from '../keys.js';
import { Alarm, Delivery } from './alarm.js';

/** Alarms that are taken at once. */
const AT_ONCE = 100;
const DELIVERIES_KEPT = 200;

export class AlarmStore {
  constructor(
    private readonly redis: RedisConnection,
    private readonly keys: Keys,
  ) {}

  /** Hands every alarm of a schedule that nobody has taken to `take`, which may see one twice, and then forgets it. */
  async drain(schedule: string, take: (alarm: Alarm) => Promise<void>): Promise<void> {
    const key = `${this.keys.scheduleBase(schedule)}outbox`;
    for (const text of await this.redis.lrange(key, 0, AT_ONCE - 1)) {
      await take(Alarm.parse(JSON.parse(text)));
      await this.redis.lrem(key, 1, text);
    }
  }

  async log(schedule: string, delivery: Delivery): Promise<void> {
    const key = this.deliveriesKey(schedule);
    await this.redis
      .multi()
      .lpush(key, JSON.stringify(delivery))
      .ltrim(key, 0, DELIVERIES_KEPT - 1)
      .pexpire(key, RUN_KEPT_MS)
      .exec();
  }

  /** The last tries to tell webhooks of a schedule's alarms, the latest first. */
  async deliveries(schedule: string): Promise<Delivery[]> {
    const texts = await this.redis.lrange(this.deliveriesKey(schedule), 0, -1);
    return texts.map((text) => Delivery.parse(JSON.parse(text)));
  }

  private deliveriesKey(schedule: string): string {
    return `${this.keys.scheduleBase(schedule)}deliveries`;
  }
}
