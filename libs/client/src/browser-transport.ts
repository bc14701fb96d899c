import { webSocketUrl, type Address } from './address.js';
import type { Transport } from './transport.js';
import { SUBPROTOCOL, webSocketTransport, type WebSocketLike } from './web-socket.js';

const { WebSocket } = globalThis as unknown as { WebSocket: new (url: string, protocol: string) => WebSocketLike };

/**
 * WebSocket, which is all a browser has.
 * @throws TypeError for another mode
 */
export function browserTransport(address: Address): Transport {
  const { mode = 'websocket' } = address;
  if (mode !== 'websocket') throw new TypeError(`a browser cannot speak ${mode}: give a wss:// address`);
  return webSocketTransport(() => new WebSocket(webSocketUrl(address), SUBPROTOCOL));
}
