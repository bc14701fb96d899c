import type { TransportFor } from './transport.js';

/**
 * Calls `wake` when timers may have been delayed or the network may have changed.
 * @returns a function that ends these calls
 */
export type WakeSignals = (wake: () => void) => () => void;

/** Platform-specific parts of the client. */
export interface Platform {
  transportFor: TransportFor;
  /** Absent in Node, which has no such events. */
  wakeSignals?: WakeSignals;
}
