/**
 * The seam between the SDK and the wire. An implementation turns bytes into frames and back; it knows nothing of logins,
 * receipts or time. Node has {@link file://./tls-lines.ts}; a browser would have one over WebSocket.
 */
export interface TransportHandlers {
  /** Connected and, over TLS, the server's certificate is verified. At most once, before any frame. */
  onOpen(): void;
  /** One parsed frame, in order: an object, or an array (an offline batch). Never after `onClose`. */
  onFrame(frame: unknown): void;
  /** Exactly once, and last. Without an error the other side ended the connection in order. */
  onClose(error?: Error): void;
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

/** Where the server is. */
export interface Address {
  host: string;
  port: number;
  /** PEM of what to trust beside the system's own authorities. */
  ca?: string;
  /** Default true. */
  tls?: boolean;
  /** Default true; false trusts any certificate and is for experiments only. */
  rejectUnauthorized?: boolean;
}
