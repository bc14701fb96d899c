import { MAX_SERVER_FRAME_BYTES, parseServerText, ProtocolError } from '@huizhi/protocol/client';
import {
  END_GRACE_MS,
  MAX_BUFFERED_BYTES,
  type Connection,
  type Transport,
  type TransportHandlers,
} from './transport.js';

/** Subprotocol that the client requests. */
export const SUBPROTOCOL = 'huizhi';

/** Common part of the WebSockets of browsers and of the package `ws`. */
export interface WebSocketLike {
  /** Bytes sent and not yet written. */
  readonly bufferedAmount: number;
  send(text: string): void;
  close(): void;
  /** Destroys the connection at once; not available in browsers. */
  terminate?(): void;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { code: number }) => void): void;
  addEventListener(type: 'error', listener: (event: object) => void): void;
}

/** Transport with one frame per text message. `open` creates the socket and may report why it failed. */
export const webSocketTransport =
  (open: (failed: (why: Error) => void) => WebSocketLike): Transport =>
  (handlers) =>
    new WebSocketConnection(open, handlers);

class WebSocketConnection implements Connection {
  private readonly socket: WebSocketLike;
  private error: Error | undefined;
  private opened = false;
  private over = false;
  private grace: ReturnType<typeof setTimeout> | undefined;

  constructor(
    open: (failed: (why: Error) => void) => WebSocketLike,
    private readonly handlers: TransportHandlers,
  ) {
    const socket = (this.socket = open((why) => (this.error ??= why)));
    socket.addEventListener('open', () => {
      this.opened = true;
      if (!this.over) handlers.onOpen();
    });
    socket.addEventListener('message', ({ data }) => this.read(data));
    socket.addEventListener('error', (event) => {
      if (!this.over) this.error ??= errorIn(event);
    });
    socket.addEventListener('close', ({ code }) => this.closed(code));
  }

  send(json: string): void {
    if (this.over || !this.opened) return;
    this.socket.send(json);
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) this.fail(new Error('the server does not read'));
  }

  end(): void {
    if (this.over) return;
    if (!this.opened) return this.destroy();
    this.socket.close();
    this.grace ??= setTimeout(() => this.destroy(), END_GRACE_MS);
  }

  destroy(): void {
    if (this.over) return;
    if (this.socket.terminate) this.socket.terminate();
    else this.socket.close();
    // A browser's socket may close later; this side ignores everything it still emits.
    this.over = true;
    clearTimeout(this.grace);
    queueMicrotask(() => this.handlers.onClose(this.error));
  }

  private read(data: unknown): void {
    if (this.over) return;
    try {
      if (typeof data !== 'string') throw new ProtocolError('badFrame', 'a message is not text');
      // UTF-16 units, which are never more than the received bytes.
      if (data.length > MAX_SERVER_FRAME_BYTES) throw new ProtocolError('frameTooLarge', 'a message is too long');
      this.handlers.onFrame(parseServerText(data));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error);
    }
  }

  private fail(error: Error): void {
    this.error ??= error;
    this.destroy();
  }

  private closed(code: number): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.grace);
    this.handlers.onClose(this.error, code);
  }
}

/** Node reports the cause. Browsers hide it, so that pages cannot probe a network. */
function errorIn(event: object): Error {
  const { error } = event as { error?: unknown };
  return error instanceof Error ? error : new Error('the WebSocket failed');
}
