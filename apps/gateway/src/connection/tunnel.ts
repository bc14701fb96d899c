import { Duplex } from 'node:stream';
import type { AddressLimit } from './connection-limiter.js';
import type { HandshakenSocket } from './handshaken-socket.js';

export interface TunnelEnds {
  /** A library wrote these bytes into the tunnel. */
  wrote(bytes: Uint8Array): void;
  /** A trusted proxy forwards the request for this address. @returns the limit that is exceeded */
  forwarded(address: string): AddressLimit | undefined;
  /** The WebSocket on the tunnel is open; `early` bytes came with the request. */
  opened(socket: HandshakenSocket, early: Uint8Array): void;
  /** The libraries will write no more bytes into the tunnel. */
  ended(): void;
}

/**
 * A virtual socket that HTTP and WebSocket libraries use as the client's connection. Bytes read from the real socket
 * are pushed in; output is passed on at once. So reading, limits and back-pressure work as in all other modes.
 */
export class Tunnel extends Duplex {
  constructor(readonly ends: TunnelEnds) {
    super({ allowHalfOpen: true });
    // The libraries report invalid bytes by other events; without a listener the stream would throw.
    this.on('error', () => undefined);
  }

  override _read(): void {
    // Bytes are pushed when they arrive.
  }

  override _write(bytes: Uint8Array, _: BufferEncoding, done: () => void): void {
    this.ends.wrote(bytes);
    done();
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: () => void): void {
    this.ends.wrote(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    done();
  }

  override _final(done: () => void): void {
    this.ends.ended();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.ends.ended();
    done(error);
  }
}
