import { WebSocket } from 'ws';
import { webSocketUrl, type Address } from './address.js';
import { UpgradeRefusedError } from './errors.js';
import { tlsLines } from './tls-lines.js';
import { MAX_FRAME_BYTES, type Transport } from './transport.js';
import { SUBPROTOCOL, webSocketTransport } from './web-socket.js';

/** Every mode. */
export function nodeTransport(address: Address): Transport {
  switch (address.mode ?? 'lines') {
    case 'lines':
      return tlsLines(address);
    case 'frames':
      return tlsLines(address);
    case 'websocket':
      return webSocketTransport((failed) => nodeWebSocket(address, failed));
  }
}

function nodeWebSocket(address: Address, failed: (why: Error) => void): WebSocket {
  const { ca, rejectUnauthorized = true } = address;
  const socket = new WebSocket(webSocketUrl(address), SUBPROTOCOL, {
    ...{ ca, rejectUnauthorized, minVersion: 'TLSv1.2' },
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
  });
  socket.on('unexpected-response', (_request, { statusCode = 0 }) => {
    failed(new UpgradeRefusedError(statusCode));
    socket.terminate();
  });
  return socket;
}
