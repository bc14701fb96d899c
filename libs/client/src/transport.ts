import type { ServerFrame } from '@huizhi/protocol/client';
import type { Address } from './address.js';

/**
 * Interface between the SDK and the wire. A transport converts bytes to frames and back; it knows no logins, receipts
 * or timeouts. Node has JSON lines and binary frames over TLS ({@link file://./tls-socket.ts}); Node and browsers have
 * {@link file://./web-socket.ts WebSocket}.
 */
export interface TransportHandlers {
  /**
   * The connection is open and, with TLS, the server's certificate is verified. Called at most once, before any frame.
   */
  onOpen(): void;
  /** One parsed frame, in order: an object, or an array (an offline batch). Never after `onClose`. */
  onFrame(frame: ServerFrame): void;
  /**
   * Called exactly once, as the last call. Without an error the peer ended the connection in order.
   * @param code of the close table, if the transport itself carries one
   */
  onClose(error?: Error, code?: number): void;
}

export interface Connection {
  /** Sends JSON text without line breaks; after the end of the connection it is dropped. */
  send(json: string): void;
  /** Writes buffered data, then closes; destroys the connection if that takes longer than a second. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** Starts to connect and returns at once; `onClose` reports failures. */
export type Transport = (handlers: TransportHandlers) => Connection;

/** Creates the transport for an address; the supported modes depend on the platform. */
export type TransportFor = (address: Address) => Transport;

/** Maximum bytes waiting to be written. The outbox stops long before, so more means a dead connection. */
export const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;

/** Maximum duration of an orderly end in milliseconds. */
export const END_GRACE_MS = 1000;
