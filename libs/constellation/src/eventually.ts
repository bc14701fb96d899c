import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;

/** Polls `condition` until it holds; throws `waited <ms> ms for <what>` with the last error as its cause. */
export async function eventually(
  what: string,
  timeoutMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      if (await condition()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause });
    await delay(POLL_MS);
  }
}
