const FIN = 0x80;
const CONTROL = 0x08;
const MASKED = 0x80;
const MASK_BYTES = 4;

/**
 * Follows the frames of a WebSocket by their headers, to know whether something has begun and not ended, which the library that
 * reads them does not tell. It judges nothing: what is not acceptable, the library refuses.
 */
export class MessageBounds {
  /** Bytes since all was whole: of an unfinished message with the control frames between its pieces, or of one control frame. */
  heldBytes = 0;
  private header: number[] = [];
  /** Of the frame's mask and payload, still to come; undefined until its header is whole. */
  private left: number | undefined;
  private inPieces = false;

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      let step = 1;
      if (this.left === undefined) {
        this.header.push(bytes[at] as number);
        this.left = bytesBehind(this.header);
      } else {
        step = Math.min(this.left, bytes.length - at);
        this.left -= step;
      }
      at += step;
      this.heldBytes += step;
      if (this.left === 0) this.frameEnds();
    }
  }

  private frameEnds(): void {
    const [first = 0] = this.header;
    if ((first & CONTROL) === 0) this.inPieces = (first & FIN) === 0;
    if (!this.inPieces) this.heldBytes = 0;
    this.header = [];
    this.left = undefined;
  }
}

/** How many bytes follow this header in its frame; undefined when it is not whole. */
function bytesBehind([, second, ...extended]: readonly number[]): number | undefined {
  if (second === undefined) return undefined;
  const mask = (second & MASKED) === 0 ? 0 : MASK_BYTES;
  const length = second & ~MASKED;
  if (length < 126) return mask + length;
  if (extended.length < (length === 126 ? 2 : 8)) return undefined;
  return mask + extended.reduce((sum, byte) => sum * 256 + byte, 0);
}
