import { encodeHzFrame, fromServer, HzDecoder, MAX_SERVER_FRAME_BYTES } from '@huizhi/protocol/client';
import type { Address } from './address.js';
import { tlsTransport } from './tls-socket.js';
import type { Transport } from './transport.js';

/** Binary frames over TLS. */
export const tlsFrames = (address: Address): Transport =>
  tlsTransport(address, {
    encode: encodeHzFrame,
    decoder: () => new HzDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
  });
