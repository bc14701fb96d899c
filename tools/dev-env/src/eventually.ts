import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

/**
 * Polls `ask` every 10 ms until it returns neither `false` nor `undefined`, and resolves with that value. An error
 * counts as no answer.
 * @throws `waited <ms> ms for <what>` after `withinMs` milliseconds, with the error of the last call as its cause.
 */
export async function eventually<T>(
  what: string,
  ask: () => T | false | undefined | Promise<T | false | undefined>,
  withinMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`waited ${Math.round(withinMs)} ms for ${what}`, { cause });
    await delay(POLL_MS);
  }
}
