import { Client } from './client.js';
import { nodeTransport } from './node-transport.js';
import type { ClientOptions } from './options.js';

/** The client in Node: every mode of the wire. */
export class HuizhiClient extends Client {
  constructor(options: ClientOptions) {
    super(options, { transportFor: nodeTransport });
  }
}
