import { writeAll } from './load-connection.js';

const TICK_MS = 2;

export interface Plan {
  /** Messages per second. */
  rate: number;
  /** Start and end, as values of `performance.now()`. */
  from: number;
  to: number;
  /** Sends message k = 0, 1, 2 …, which was due at `intended`. */
  send: (k: number, intended: number) => void;
  /** Called once per message after its write, `late` milliseconds after it was due. */
  wrote: (intended: number, late: number) => void;
  /** Whether to stop early. */
  broken: () => boolean;
}

/**
 * An open loop: message k is due at from + k / rate even when the system is slower. Every 2 ms all due messages are
 * sent, with one write per connection.
 */
export function sendOnTime({ rate, from, to, send, wrote, broken }: Plan): Promise<void> {
  const perMs = rate / 1000;
  let next = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = Math.min(performance.now(), to);
      const first = next;
      for (; from + next / perMs < now; next++) send(next, from + next / perMs);
      writeAll();
      const written = performance.now();
      for (let k = first; k < next; k++) wrote(from + k / perMs, written - from - k / perMs);
      if (now < to && !broken()) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
}
