import { browserTransport } from './browser-transport.js';
import { Client } from './client.js';
import type { ClientOptions } from './options.js';

export * from './shared.js';
export { IndexedDbStore } from './indexed-db-store.js';

/** The client in a browser: WebSocket. */
export class HuizhiClient extends Client {
  constructor(options: ClientOptions) {
    super(options, browserTransport);
  }
}
