import { setTimeout as delay } from 'node:timers/promises';

/** Rejects when the work takes longer than `withinMs`. */
export async function bounded(work: Promise<unknown>, withinMs: number): Promise<void> {
  const late = new AbortController();
  const bound = delay(withinMs, 'late', { signal: late.signal }).catch(() => undefined);
  try {
    if ((await Promise.race([work, bound])) === 'late')
      throw new Error(`some work did not finish within ${withinMs} ms`);
  } finally {
    late.abort();
  }
}
