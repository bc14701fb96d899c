import type { FaultyBus } from './faulty-bus.js';
import type { Endings } from './model-servers.js';

/** Numbers in [0, 1) that depend on the seed alone: mulberry32. */
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

/** Of a hundred things said, `share` go wrong. Lost requests and answers cost seconds of waiting: refused, or rare. */
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

/** The same for transactions. */
export function spoilEndings(endings: Endings, share: number, chance: () => number): void {
  const bad = ['refuse', 'rollBack', 'unheard'] as const;
  endings.chance = () => {
    if (chance() * 100 >= share) return 'pass';
    return bad[Math.floor(chance() * 4)] ?? { delayMs: chance() * LATE_MS };
  };
}
