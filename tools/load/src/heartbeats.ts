import type { LoadConnection } from './load-connection.js';

const BEAT_MS = 15_000;
const SLICES = 150;

/**
 * Sends heartbeats on all connections in the list, spread evenly over 15 s, also on those added later. Returns a
 * function that stops them.
 */
export function keepBeating(connections: readonly LoadConnection[]): () => void {
  let slice = 0;
  const timer = setInterval(() => {
    for (let n = slice; n < connections.length; n += SLICES) connections[n]?.send('{"beatID":"1"}');
    slice = (slice + 1) % SLICES;
  }, BEAT_MS / SLICES);
  return () => clearInterval(timer);
}
