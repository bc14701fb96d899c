import type { ServerFrame } from '@huizhi/protocol/client';
import type { Address } from './address.js';

/**
 * The seam between the SDK and the wire. An implementation turns bytes into frames and back; it knows nothing of logins,
 * receipts or time. Node has lines and binary frames over TLS ({@link file://./tls-socket.ts}); Node and browsers have
 * {@link file://./web-socket.ts WebSocket}.
 */
export interface TransportHandlers {
  /** Connected and, over TLS, the server's certificate is verified. At most once, before any frame. */
  onOpen(): void;
  /** One parsed frame, in order: an object, or an array (an offline batch). Never after `onClose`. */
  onFrame(frame: ServerFrame): void;
  /**
   * Exactly once, and last. Without an error the other side ended the connection in order.
   * @param code of the close table, where the wire itself carries it
   */
  onClose(error?: Error, code?: number): void;
}

export interface Connection {
  /** JSON text without line breaks. What is sent after the end is dropped. */
  send(json: string): void;
  /** Writes what is waiting, then closes; cut off when that takes longer than a second. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** Begins to connect and returns at once; failures arrive by `onClose`. */
export type Transport = (handlers: TransportHandlers) => Connection;

/** Makes the transport for an address; which modes there are depends on the platform. */
export type TransportFor = (address: Address) => Transport;

/** The most that waits to be written; the outbox stops long before, so reaching it means a dead connection. */
export const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;

/** How long an orderly end may take. */
export const END_GRACE_MS = 1000;
