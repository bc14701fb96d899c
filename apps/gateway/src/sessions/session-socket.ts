import type { CloseName } from '@huizhi/protocol';

/** `fresh`: no frame yet; `opening`: login in progress; `open`: logged in; `closing`: the last frame is written. */
export type ConnectionState = 'fresh' | 'opening' | 'open' | 'closing';

/** What sessions and commands need of a client connection. */
export interface SessionSocket {
  readonly state: ConnectionState;
  /** The IPv4 address or IPv6 /64 network that the limits count the connection for. */
  readonly clientNetwork: string;
  /** More is buffered than a client that keeps up leaves: no new deliveries until the socket has drained. */
  readonly isBackpressured: boolean;
  readonly bufferedBytes: number;
  /** Writes one frame, given as JSON text. */
  write(json: string): void;
  /** Writes the close frame and ends the connection. */
  close(name: CloseName, reason?: string): void;
}
