export { HuizhiClient } from './node.js';
export { nodeTransport } from './node-transport.js';
export * from './shared.js';
