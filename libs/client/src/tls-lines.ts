import type { Address } from './address.js';
import { LineSplitter, parseFrame } from './line-splitter.js';
import { tlsTransport, type Framing } from './tls-socket.js';
import { MAX_FRAME_BYTES, type Transport } from './transport.js';

/** JSON lines over TLS. */
export const tlsLines = (address: Address): Transport => tlsTransport(address, () => new Lines());

class Lines implements Framing {
  private readonly splitter = new LineSplitter(MAX_FRAME_BYTES);

  encode(json: string): string {
    return `${json}\n`;
  }

  push(bytes: Uint8Array, onFrame: (frame: unknown) => void): void {
    this.splitter.push(bytes, (line) => onFrame(parseFrame(line)));
  }
}
