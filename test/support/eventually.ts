import { setTimeout as delay } from 'node:timers/promises';

/** Asks again until there is an answer that is not undefined. */
export async function eventually<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  withinMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms for ${what}`);
    await delay(25);
  }
}

/** Rejects when the work takes longer. */
export async function bounded(work: Promise<unknown>, withinMs: number): Promise<void> {
  const late = new AbortController();
  const bound = delay(withinMs, 'late', { signal: late.signal }).catch(() => undefined);
  try {
    if ((await Promise.race([work, bound])) === 'late')
      throw new Error(`not everything was answered in ${withinMs} ms`);
  } finally {
    late.abort();
  }
}
