import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { LineSplitter, parseFrame, WireError } from './line-splitter.js';
import type { Address, Connection, Transport, TransportHandlers } from './transport.js';

/** The longest frame that is read: a batch is at most about 256 KiB, a page of history 512 KiB. */
const MAX_FRAME_BYTES = 4 * 1024 * 1024;
/** The most that waits to be written; the outbox stops long before, so reaching it means a dead connection. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
const END_GRACE_MS = 1000;

/** JSON lines over TLS (or plain TCP when the address says so). The only file of the SDK that needs Node. */
export function tlsLines(address: Address): Transport {
  return (handlers) => new LineConnection(dial(address), address.tls === false ? 'connect' : 'secureConnect', handlers);
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

class LineConnection implements Connection {
  private readonly splitter = new LineSplitter(MAX_FRAME_BYTES);
  private error: Error | undefined;
  private opened = false;
  private over = false;
  private corked = false;
  private grace: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly socket: Socket,
    openEvent: 'connect' | 'secureConnect',
    private readonly handlers: TransportHandlers,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Uint8Array) => this.read(bytes));
    socket.on('error', (error) => (this.error ??= error));
    socket.once('close', () => this.closed());
    socket.once(openEvent, () => {
      this.opened = true;
      if (!this.over) handlers.onOpen();
    });
  }

  send(json: string): void {
    if (this.over || !this.socket.writable) return;
    // One write for all that is sent in one turn of the event loop.
    if (!this.corked) {
      this.corked = true;
      this.socket.cork();
      setImmediate(() => {
        this.corked = false;
        this.socket.uncork();
      });
    }
    this.socket.write(`${json}\n`);
    if (this.socket.writableLength > MAX_BUFFERED_BYTES) this.fail(new WireError('the server does not read'));
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
      this.splitter.push(bytes, (line) => {
        if (!this.socket.destroyed) this.handlers.onFrame(parseFrame(line));
      });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
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
