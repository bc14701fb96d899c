import type { TransportFor } from './transport.js';

/**
 * Moments at which a platform knows that timers may have been held up or the network may have changed.
 * Calls `wake` at each, and returns a function that ends that.
 */
export type WakeSignals = (wake: () => void) => () => void;

/** What differs between platforms. */
export interface Platform {
  transportFor: TransportFor;
  /** Absent where nothing tells: Node. */
  wakeSignals?: WakeSignals;
}
