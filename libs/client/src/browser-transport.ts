import { webSocketUrl, type Address } from './address.js';
import type { Transport } from './transport.js';
import { SUBPROTOCOL, webSocketTransport, type WebSocketLike } from './web-socket.js';

const { WebSocket } = globalThis as unknown as { WebSocket: new (url: string, protocol: string) => WebSocketLike };

/**
 * The only transport of browsers: WebSocket.
 * @throws TypeError for any other mode
 */
export function browserTransport(address: Address): Transport {
  const { mode = 'websocket' } = address;
  if (mode !== 'websocket') throw new TypeError(`a browser does not support the mode ${mode}: use a wss:// address`);
  return webSocketTransport(() => new WebSocket(webSocketUrl(address), SUBPROTOCOL));
}
