import { pause } from '../backoff.js';

/** Waits until the condition holds, looking every 10 ms. @throws after `boundMs` milliseconds, naming what did not happen. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  boundMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + boundMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen in ${boundMs} ms: ${what}`);
    await pause(10);
  }
}
