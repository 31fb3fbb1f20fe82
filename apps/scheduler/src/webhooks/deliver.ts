/** Tries a message again, further and further apart, until the receiver takes it or a time has passed. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Delivery, isWorthRetrying, type Message, send, type Webhook } from './send.js';

export interface RetryBounds {
  /** For one exchange. */
  timeoutMs: number;
  /** Before the second attempt; doubled for each one after. */
  firstDelayMs: number;
  maxDelayMs: number;
  /** After this, no further attempt is begun. */
  totalMs: number;
}

/** @returns how the last attempt ended. @throws the signal's reason */
export async function deliver(
  webhook: Webhook,
  message: Message,
  bounds: RetryBounds,
  signal: AbortSignal,
): Promise<Delivery> {
  const end = performance.now() + bounds.totalMs;
  for (let delayMs = bounds.firstDelayMs; ; delayMs = Math.min(2 * delayMs, bounds.maxDelayMs)) {
    const delivery = await send(webhook, message, bounds.timeoutMs, signal);
    if (!isWorthRetrying(delivery)) return delivery;
    const askedMs = delivery.outcome === 'refused' ? delivery.retryAfterMs : 0;
    // Up to half as long again, so that many senders do not come back as one.
    const pauseMs = Math.max(askedMs, delayMs * (1 + Math.random() / 2));
    if (performance.now() + pauseMs > end) return delivery;
    await wait(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
