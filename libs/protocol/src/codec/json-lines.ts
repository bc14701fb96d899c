import { ProtocolError } from '../errors.js';
import { parseObject, RefusedContentError } from './json.js';

const LF = 0x0a;
const CR = 0x0d;

/** Empty lines in a row that are passed over; they cost time and no frame rate counts them. */
export const MAX_EMPTY_LINES = 1000;

type OnFrame = (frame: Record<string, unknown>, size: number) => boolean | void;
type OnRefused = (error: RefusedContentError) => boolean | void;

/**
 * Bytes in, objects out: UTF-8 JSON objects, each ended by LF (CRLF is tolerated, empty lines are passed over). Holds at
 * most one unfinished line of at most `limit` bytes, and the CR that may follow it. The first bad line throws; the
 * connection is then over, so a decoder that has thrown throws again.
 */
export class JsonLinesDecoder {
  private parts: Uint8Array[] = [];
  private held = 0;
  private emptyLines = 0;
  private stopped = false;
  private failure: { error: unknown } | undefined;

  /** @param limit the most bytes of one frame, its line end not counted; may be changed between frames */
  constructor(public limit: number) {}

  /** Bytes of a line that has begun and not ended; a frame that stays partial too long is closed by its owner. */
  get heldBytes(): number {
    return this.held;
  }

  /**
   * Takes bytes in and gives each whole frame to `onFrame`, in order, before the next is looked at: so a login can raise
   * `limit` for what follows in the same bytes. `onFrame` returning false ends it: the rest of the bytes is dropped, and
   * whatever comes later too.
   * @param onRefused told of whole frames with content that is refused, in their turn; without it they throw
   * @throws ProtocolError `frameTooLarge`, `badFrame`, `tooDeep`, `badText`, `badField`; and what `onFrame` throws
   */
  push(bytes: Uint8Array, onFrame: OnFrame, onRefused?: OnRefused): void {
    if (this.failure) throw this.failure.error;
    if (this.stopped) return;
    try {
      let start = 0;
      for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
        const line = this.finish(bytes.subarray(start, end));
        start = end + 1;
        if (line.length === 0) this.countEmptyLine();
        else if (!this.frame(line, onFrame, onRefused)) return;
      }
      this.hold(bytes.subarray(start));
    } catch (error) {
      this.failure = { error };
      this.forget();
      throw error;
    }
  }

  private frame(line: Uint8Array, onFrame: OnFrame, onRefused: OnRefused | undefined): boolean {
    this.emptyLines = 0;
    const frame = onRefused ? parsed(line) : parseObject(line);
    const goOn = frame instanceof RefusedContentError ? onRefused?.(frame) : onFrame(frame, line.length);
    this.stopped = goOn === false;
    return !this.stopped;
  }

  private countEmptyLine(): void {
    if (++this.emptyLines > MAX_EMPTY_LINES) throw new ProtocolError('badFrame', 'too many empty lines');
  }

  private finish(tail: Uint8Array): Uint8Array {
    let line = tail;
    if (this.held > 0) {
      // Checked before the copy, with one byte of grace: it may be the CR of a CRLF.
      this.check(this.held + tail.length - 1);
      line = concatenate([...this.parts, tail], this.held + tail.length);
      this.forget();
    }
    if (line.at(-1) === CR) line = line.subarray(0, -1);
    this.check(line.length);
    return line;
  }

  private hold(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.check(this.held + rest.length - 1);
    // A copy: the bytes may be a view into a larger buffer that would be kept alive for one slow line, or is used again.
    // `slice` would not do, a Buffer's is a view.
    this.parts.push(new Uint8Array(rest));
    this.held += rest.length;
    if (this.parts.length > 64) this.parts = [concatenate(this.parts, this.held)];
  }

  private forget(): void {
    this.parts = [];
    this.held = 0;
  }

  private check(size: number): void {
    if (size > this.limit) throw new ProtocolError('frameTooLarge', `a frame is larger than ${this.limit} bytes`);
  }
}

function parsed(line: Uint8Array): Record<string, unknown> | RefusedContentError {
  try {
    return parseObject(line);
  } catch (error) {
    if (error instanceof RefusedContentError) return error;
    throw error;
  }
}

function concatenate(parts: Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** One frame as a line. `json` is JSON text without line breaks, as `JSON.stringify` makes it. */
export const encodeJsonLine = (json: string): string => `${json}\n`;
