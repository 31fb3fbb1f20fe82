/** Seeded choices: what is drawn with the same seed in the same order is the same. */
import { mulberry32 } from '../test/fixtures/mulberry32.js';

export class Draw {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = mulberry32(seed);
  }

  /** A whole number from `low` to `high`, both among them. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  one<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)] as T;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const deck = [...list];
    for (let last = deck.length - 1; last > 0; last--) {
      const other = this.int(0, last);
      [deck[last], deck[other]] = [deck[other] as T, deck[last] as T];
    }
    return deck;
  }
}
