import { encodeJsonLine, fromServer, JsonLinesDecoder, MAX_SERVER_FRAME_BYTES } from '@huizhi/protocol/client';
import type { Address } from './address.js';
import { tlsTransport } from './tls-socket.js';
import type { Transport } from './transport.js';

/** JSON lines over TLS. */
export const tlsLines = (address: Address): Transport =>
  tlsTransport(address, {
    encode: encodeJsonLine,
    decoder: () => new JsonLinesDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
  });
