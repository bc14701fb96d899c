import { Duplex } from 'node:stream';
import type { AddressLimit } from './connection-limiter.js';
import type { HandshakenSocket } from './upgrades.js';

export interface TunnelEnds {
  /** What was written into it. */
  wrote(bytes: Uint8Array): void;
  /** The request comes for this address, by the word of a proxy. @returns the limit of it that is exceeded */
  forwarded(address: string): AddressLimit | undefined;
  /** The WebSocket on it is open; `early` came with the request. */
  opened(socket: HandshakenSocket, early: Uint8Array): void;
  /** Nothing more will be written into it. */
  ended(): void;
}

/**
 * A socket that is none: what HTTP and WebSocket libraries take for the client's connection. Bytes read from the real one are pushed in, what
 * they write comes out at once. So reading, writing, limits and back-pressure stay where they are for every other mode.
 */
export class Tunnel extends Duplex {
  constructor(readonly ends: TunnelEnds) {
    super({ allowHalfOpen: true });
    // Bytes that cannot be made out are told of by other ways; a stream without a listener would throw.
    this.on('error', () => undefined);
  }

  override _read(): void {
    // It is pushed into when bytes come.
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
