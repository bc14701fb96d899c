import { ProtocolError } from '../errors.js';
import { parseObject, parseServerFrame, RefusedContentError, type Frame, type ServerFrame } from './json.js';

/** Returning false ends the decoder: nothing that follows is looked at. `size` is the frame's bytes of JSON. */
export type OnFrame<Taken> = (frame: Taken, size: number) => boolean | void;
/** The same for a whole frame whose content is refused. */
export type OnRefused = (error: RefusedContentError) => boolean | void;

/** Bytes in, frames out: what every mode of the wire has in common. */
export interface Decoder<Taken = Frame> {
  /** The most bytes of one frame's JSON; may be changed between frames. */
  limit: number;
  /** Bytes of a frame that has begun and not ended; one that stays partial too long is closed by its owner. */
  readonly heldBytes: number;
  /**
   * Takes bytes in and gives each whole frame to `onFrame`, in order, before the next is looked at: so a login can raise
   * `limit` for what follows in the same bytes. `onFrame` returning false ends it: the rest of the bytes is dropped, and
   * whatever comes later too.
   * @param onRefused told of whole frames with content that is refused, in their turn; without it they throw
   * @throws ProtocolError `frameTooLarge`, `badFrame`, `tooDeep`, `badText`, `badField`; and what `onFrame` throws. The
   * connection is then over, so a decoder that has thrown throws again
   */
  push(bytes: Uint8Array, onFrame: OnFrame<Taken>, onRefused?: OnRefused): void;
  /** Bytes that came while it was paused. */
  readonly keptBytes: number;
  /**
   * To be called while a frame is delivered: it is the last one for now. What follows it is kept as it is, and so is what is pushed
   * from now on, until {@link resume}.
   */
  pause(): void;
  /** Goes on with what was kept. May be paused again by what it delivers. @throws like {@link push} */
  resume(onFrame: OnFrame<Taken>, onRefused?: OnRefused): void;
}

/** Whose frames are decoded. */
export interface Side<Taken> {
  readonly parse: (json: Uint8Array) => Taken;
  /** Whether a frame may be an array (an offline batch). */
  readonly batches: boolean;
}

/** What a client may send: objects, safe to store and relay. Decoders are for this side unless told otherwise. */
export const fromClient: Side<Frame> = { parse: parseObject, batches: false };
/** What a server sends: objects and arrays of objects. */
export const fromServer: Side<ServerFrame> = { parse: parseServerFrame, batches: true };
/** The largest frame of a server, in bytes of JSON: the limit for decoders of its frames. */
export const MAX_SERVER_FRAME_BYTES = 1024 * 1024;

const NOTHING = new Uint8Array();

/** The life of a decoder and the memory of an unfinished frame. How bytes are cut into frames is what a mode adds. */
export abstract class FrameDecoder<Taken> implements Decoder<Taken> {
  private parts: Uint8Array[] = [];
  private held = 0;
  private stopped = false;
  private paused = false;
  /** Bytes that came while it was paused: nothing has looked at them. */
  private kept: Uint8Array = NOTHING;
  private copied: ArrayBufferLike | undefined;
  private failure: { error: unknown } | undefined;

  constructor(
    public limit: number,
    protected readonly side: Side<Taken> = fromClient as unknown as Side<Taken>,
  ) {}

  get heldBytes(): number {
    return this.held;
  }

  get keptBytes(): number {
    return this.kept.length;
  }

  push(bytes: Uint8Array, onFrame: OnFrame<Taken>, onRefused?: OnRefused): void {
    if (this.failure) throw this.failure.error;
    if (this.stopped) return;
    if (this.paused) return this.keep(bytes);
    try {
      this.cut(bytes, onFrame, onRefused);
    } catch (error) {
      this.failure = { error };
      this.forget();
      throw error;
    }
  }

  pause(): void {
    this.paused = true;
  }

  resume(onFrame: OnFrame<Taken>, onRefused?: OnRefused): void {
    this.paused = false;
    const { kept } = this;
    this.kept = NOTHING;
    if (kept.length > 0) this.push(kept, onFrame, onRefused);
    if (this.kept.length === 0) this.copied = undefined;
  }

  /**
   * Delivers every frame these bytes complete and holds the rest; stops when `deliver` says so, and keeps what follows a frame
   * behind which {@link isPaused}.
   */
  protected abstract cut(bytes: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): void;

  /** One frame's JSON. False: nothing more is to be delivered. */
  protected deliver(json: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): boolean {
    const frame = onRefused ? this.parsed(json) : this.side.parse(json);
    const goOn = frame instanceof RefusedContentError ? onRefused?.(frame) : onFrame(frame, json.length);
    return this.mayGoOn(goOn);
  }

  protected mayGoOn(answer: boolean | void): boolean {
    this.stopped = answer === false;
    return !this.stopped;
  }

  protected get isPaused(): boolean {
    return this.paused;
  }

  protected keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    // A copy of what is not a copy already: see `hold`.
    if (this.kept.length > 0) this.kept = concatenate([this.kept, bytes], this.kept.length + bytes.length);
    else this.kept = bytes.buffer === this.copied ? bytes : new Uint8Array(bytes);
    this.copied = this.kept.buffer;
  }

  protected check(size: number, limit: number): void {
    if (size > limit) throw new ProtocolError('frameTooLarge', `a frame is larger than ${this.limit} bytes`);
  }

  protected hold(rest: Uint8Array): void {
    if (rest.length === 0) return;
    // A copy: the bytes may be a view into a larger buffer that would be kept alive for one slow frame, or is used again.
    // `slice` would not do, a Buffer's is a view.
    this.parts.push(new Uint8Array(rest));
    this.held += rest.length;
    if (this.parts.length > 64) this.parts = [concatenate(this.parts, this.held)];
  }

  /** Everything held and then `tail`, in one piece; nothing is held after it. */
  protected taken(tail: Uint8Array): Uint8Array {
    if (this.held === 0) return tail;
    const whole = concatenate([...this.parts, tail], this.held + tail.length);
    this.forget();
    return whole;
  }

  private forget(): void {
    this.parts = [];
    this.held = 0;
  }

  private parsed(json: Uint8Array): Taken | RefusedContentError {
    try {
      return this.side.parse(json);
    } catch (error) {
      if (error instanceof RefusedContentError) return error;
      throw error;
    }
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
