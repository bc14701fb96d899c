import type { LoadConnection } from './load-connection.js';

const BEAT_MS = 15_000;
const SLICES = 150;

/** Heartbeats of all connections in the list, also of those that come to it later, spread evenly over 15 s. Returns what ends it. */
export function keepBeating(connections: readonly LoadConnection[]): () => void {
  let slice = 0;
  const timer = setInterval(() => {
    for (let n = slice; n < connections.length; n += SLICES) connections[n]?.send('{"beatID":"1"}');
    slice = (slice + 1) % SLICES;
  }, BEAT_MS / SLICES);
  return () => clearInterval(timer);
}
