import { ProtocolError } from '../errors.js';
import { FrameDecoder, type OnFrame, type OnRefused } from './decoder.js';

const LF = 0x0a;
const CR = 0x0d;

/** Maximum consecutive empty lines; they cost time and no frame rate counts them. */
export const MAX_EMPTY_LINES = 1000;

/**
 * Frames on lines, each ended by LF. CRLF is accepted, and empty lines are skipped. Holds at most one incomplete line
 * of `lineLimit` bytes, and the CR that may follow it.
 */
export abstract class LinesDecoder<Taken> extends FrameDecoder<Taken> {
  private emptyLines = 0;

  /** Maximum bytes of a line without its end. */
  protected abstract get lineLimit(): number;

  /** Processes one line that is not empty. False: deliver no more frames. */
  protected abstract line(line: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): boolean;

  protected override cut(bytes: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): void {
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      const line = this.finish(bytes.subarray(start, end));
      start = end + 1;
      if (line.length === 0) {
        this.countEmptyLine();
        continue;
      }
      this.emptyLines = 0;
      if (!this.line(line, onFrame, onRefused)) return;
      if (this.isPaused) return this.keep(bytes.subarray(start));
    }
    const rest = bytes.subarray(start);
    if (rest.length === 0) return;
    this.check(this.heldBytes + rest.length - 1, this.lineLimit);
    this.hold(rest);
  }

  private countEmptyLine(): void {
    if (++this.emptyLines > MAX_EMPTY_LINES) throw new ProtocolError('badFrame', 'too many empty lines');
  }

  private finish(tail: Uint8Array): Uint8Array {
    // Checked before the copy; one byte more is allowed, because it may be the CR of a CRLF.
    this.check(this.heldBytes + tail.length - 1, this.lineLimit);
    const line = this.taken(tail);
    const frame = line.at(-1) === CR ? line.subarray(0, -1) : line;
    this.check(frame.length, this.lineLimit);
    return frame;
  }
}
