import { browserTransport } from './browser-transport.js';
import { browserWakeSignals } from './browser-wake.js';
import { Client } from './client.js';
import type { ClientOptions } from './options.js';

export * from './shared.js';
export { IndexedDbStore } from './indexed-db-store.js';

/** The client for browsers: WebSocket transport, and wake signals from page events. */
export class HuizhiClient extends Client {
  constructor(options: ClientOptions) {
    super(options, { transportFor: browserTransport, wakeSignals: browserWakeSignals });
  }
}
