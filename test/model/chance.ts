import type { FaultyBus } from './faulty-bus.js';
import type { Endings } from './model-servers.js';

/** Pseudo-random numbers in [0, 1) that depend only on the seed: mulberry32. */
export function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const LATE_MS = 20;

/**
 * Injects faults into `share` percent of the messages on the bus. A lost request costs seconds of waiting, so most are
 * refused instead.
 */
export function spoil(bus: FaultyBus, share: number, chance: () => number): void {
  bus.fate = (kind) => {
    if (chance() * 100 >= share) return 'pass';
    const which = chance();
    if (which < 0.3) return { delayMs: chance() * LATE_MS };
    if (which < 0.6) return 'double';
    if (kind === 'publish') return 'lose';
    if (kind === 'request') return 'refuse';
    return which < 0.61 ? 'lose' : 'pass';
  };
}

/** Injects faults into `share` percent of the transactions. */
export function spoilEndings(endings: Endings, share: number, chance: () => number): void {
  const bad = ['refuse', 'rollBack', 'unheard'] as const;
  endings.chance = () => {
    if (chance() * 100 >= share) return 'pass';
    return bad[Math.floor(chance() * 4)] ?? { delayMs: chance() * LATE_MS };
  };
}
