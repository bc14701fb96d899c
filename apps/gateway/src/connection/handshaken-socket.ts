import { WebSocket } from 'ws';

/** Close codes of the `ws` library for invalid input: protocol error, not UTF-8, too many fragments, too large. */
const VIOLATIONS = new Set([1002, 1007, 1008, 1009]);

/** A WebSocket that reports violations to the gateway instead of closing itself, so that the close frame has a name. */
export class HandshakenSocket extends WebSocket {
  violated: (code: number) => void = (code) => super.close(code);

  override close(code?: number, reason?: string | Buffer): void {
    if (code !== undefined && VIOLATIONS.has(code)) this.violated(code);
    else super.close(code, reason);
  }
}
