import { MAX_SERVER_FRAME_BYTES } from '@huizhi/protocol/client';
import { WebSocket } from 'ws';
import { webSocketUrl, type Address } from './address.js';
import { asCertificateError } from './certificates.js';
import { UpgradeRefusedError } from './errors.js';
import { tlsFrames } from './tls-frames.js';
import { tlsLines } from './tls-lines.js';
import type { Transport } from './transport.js';
import { SUBPROTOCOL, webSocketTransport } from './web-socket.js';

/** Transport for any mode. */
export function nodeTransport(address: Address): Transport {
  switch (address.mode ?? 'lines') {
    case 'lines':
      return tlsLines(address);
    case 'frames':
      return tlsFrames(address);
    case 'websocket':
      return webSocketTransport((failed) => nodeWebSocket(address, failed));
  }
}

function nodeWebSocket(address: Address, failed: (why: Error) => void): WebSocket {
  const { ca, rejectUnauthorized = true } = address;
  const socket = new WebSocket(webSocketUrl(address), SUBPROTOCOL, {
    ...{ ca, rejectUnauthorized, minVersion: 'TLSv1.2' },
    maxPayload: MAX_SERVER_FRAME_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
  });
  // Registered before the transport's own listener, because the transport keeps the first error.
  socket.on('error', (error) => failed(asCertificateError(address, error)));
  socket.on('unexpected-response', (_request, { statusCode = 0 }) => {
    failed(new UpgradeRefusedError(statusCode));
    socket.terminate();
  });
  return socket;
}
