import { Client } from './client.js';
import { nodeTransport } from './node-transport.js';
import type { ClientOptions } from './options.js';

/** The client for Node: supports every mode. */
export class HuizhiClient extends Client {
  constructor(options: ClientOptions) {
    super(options, { transportFor: nodeTransport });
  }
}
