const FIN = 0x80;
const CONTROL = 0x08;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** Length values from this one on are followed by an extended length of two or eight bytes. */
const TWO_BYTES = 126;

/**
 * Tracks WebSocket frames by their headers, for three facts that the `ws` library does not give: whether a message is
 * unfinished, where a frame ends, and whether a length is minimal (RFC 6455, section 5.2). The library detects all
 * other errors.
 */
export class MessageBounds {
  /**
   * Bytes of an unfinished message, including control frames between its fragments, or of an unfinished control frame.
   */
  heldBytes = 0;
  /** A length was not minimal; the bytes after that header are not tracked. */
  isBroken = false;
  private header: number[] = [];
  /** Bytes of mask and payload still to come; undefined until the header is complete. */
  private left: number | undefined;
  private inPieces = false;

  /**
   * Tracks `bytes` from `start` until `frames` frames have ended, or to the end of the bytes.
   * @returns the index after the last tracked byte
   */
  follow(bytes: Uint8Array, start = 0, frames = Infinity): number {
    let at = start;
    for (let ended = 0; ended < frames && at < bytes.length && !this.isBroken;) {
      let step = 1;
      if (this.left === undefined) {
        this.header.push(bytes[at] as number);
        this.left = this.bytesBehind(this.header);
      } else {
        step = Math.min(this.left, bytes.length - at);
        this.left -= step;
      }
      at += step;
      this.heldBytes += step;
      if (this.left !== 0) continue;
      this.frameEnds();
      ended += 1;
    }
    return at;
  }

  private frameEnds(): void {
    const [first = 0] = this.header;
    if ((first & CONTROL) === 0) this.inPieces = (first & FIN) === 0;
    if (!this.inPieces) this.heldBytes = 0;
    this.header = [];
    this.left = undefined;
  }

  /** How many bytes follow this header in its frame; undefined when the header is incomplete. */
  private bytesBehind([, second, ...extended]: readonly number[]): number | undefined {
    if (second === undefined) return undefined;
    const mask = (second & MASKED) === 0 ? 0 : MASK_BYTES;
    const short = second & ~MASKED;
    if (short < TWO_BYTES) return mask + short;
    if (extended.length < (short === TWO_BYTES ? 2 : 8)) return undefined;
    const length = extended.reduce((sum, byte) => sum * 256 + byte, 0);
    this.isBroken = length < (short === TWO_BYTES ? TWO_BYTES : 65_536);
    return mask + length;
  }
}
