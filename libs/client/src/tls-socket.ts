import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ProtocolError, type Decoder, type ServerFrame } from '@huizhi/protocol/client';
import type { Address } from './address.js';
import { asCertificateError } from './certificates.js';
import {
  END_GRACE_MS,
  MAX_BUFFERED_BYTES,
  type Connection,
  type Transport,
  type TransportHandlers,
} from './transport.js';

/** Encoder and decoder of frames in a byte stream; each connection gets its own decoder. */
export interface Framing {
  encode(json: string): string | Uint8Array;
  decoder(): Decoder<ServerFrame>;
}

/** Transport of frames over TLS, or over plain TCP if the address disables TLS. */
export function tlsTransport(address: Address, framing: Framing): Transport {
  const openEvent = address.tls === false ? 'connect' : 'secureConnect';
  return (handlers) => new SocketConnection(address, openEvent, framing, handlers);
}

function dial(address: Address): Socket {
  const { host, port, ca, rejectUnauthorized } = address;
  if (address.tls === false) return connectTcp({ host, port });
  const servername = isIP(host) ? undefined : host;
  return connectTls({
    host,
    port,
    ca,
    rejectUnauthorized: rejectUnauthorized ?? true,
    servername,
    minVersion: 'TLSv1.2',
  });
}

class SocketConnection implements Connection {
  private readonly decoder: Decoder<ServerFrame>;
  private error: Error | undefined;
  private opened = false;
  private over = false;
  private corked = false;
  private grace: ReturnType<typeof setTimeout> | undefined;

  private readonly socket: Socket;

  constructor(
    address: Address,
    openEvent: 'connect' | 'secureConnect',
    private readonly framing: Framing,
    private readonly handlers: TransportHandlers,
  ) {
    this.decoder = framing.decoder();
    const socket = (this.socket = dial(address));
    socket.setNoDelay(true);
    socket.on('data', (bytes: Uint8Array) => this.read(bytes));
    socket.on('error', (error) => (this.error ??= asCertificateError(address, error)));
    socket.once('close', () => this.closed());
    socket.once(openEvent, () => {
      this.opened = true;
      if (!this.over) handlers.onOpen();
    });
  }

  send(json: string): void {
    if (this.over || !this.socket.writable) return;
    // One write for all frames sent in one turn of the event loop.
    if (!this.corked) {
      this.corked = true;
      this.socket.cork();
      setImmediate(() => {
        this.corked = false;
        this.socket.uncork();
      });
    }
    this.socket.write(this.framing.encode(json));
    if (this.socket.writableLength > MAX_BUFFERED_BYTES) this.fail(new Error('the server does not read'));
  }

  end(): void {
    if (this.over) return;
    if (!this.opened) return this.destroy();
    this.socket.end();
    this.grace ??= setTimeout(() => this.socket.destroy(), END_GRACE_MS);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private read(bytes: Uint8Array): void {
    try {
      this.decoder.push(bytes, (frame) => {
        if (this.socket.destroyed) return false;
        return this.handlers.onFrame(frame);
      });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error);
    }
  }

  private fail(error: Error): void {
    this.error ??= error;
    this.socket.destroy();
  }

  private closed(): void {
    this.over = true;
    clearTimeout(this.grace);
    this.handlers.onClose(this.error);
  }
}
