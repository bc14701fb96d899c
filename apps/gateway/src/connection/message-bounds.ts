const FIN = 0x80;
const CONTROL = 0x08;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** A length of this value and more is in two or eight bytes of its own. */
const TWO_BYTES = 126;

/**
 * Follows the frames of a WebSocket by their headers: to know whether a message has begun and not ended, which the library that reads
 * them does not tell; to cut bytes behind a frame; and to find lengths that are not written in the fewest bytes (RFC 6455, section
 * 5.2), which the library accepts. Everything else that is wrong is left to the library.
 */
export class MessageBounds {
  /** Bytes since all was whole: of an unfinished message with the control frames between its pieces, or of one control frame. */
  heldBytes = 0;
  /** A length was not minimal. Nothing behind that header is followed. */
  isBroken = false;
  private header: number[] = [];
  /** Of the frame's mask and payload, still to come; undefined until its header is whole. */
  private left: number | undefined;
  private inPieces = false;

  /**
   * Follows `bytes` from `start` until so many frames have ended, or to their end.
   * @returns the index behind what it has followed
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

  /** How many bytes follow this header in its frame; undefined when it is not whole. */
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
