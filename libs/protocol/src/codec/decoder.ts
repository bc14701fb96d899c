import { ProtocolError } from '../errors.js';
import { parseObject, parseServerFrame, RefusedContentError, type Frame, type ServerFrame } from './json.js';

/**
 * Receives each frame; `size` is its JSON in bytes. A return value of false ends the decoder: it ignores all further
 * bytes.
 */
export type OnFrame<Taken> = (frame: Taken, size: number) => boolean | void;
/** Like {@link OnFrame}, for a complete frame with refused content. */
export type OnRefused = (error: RefusedContentError) => boolean | void;

/** Bytes in, frames out: the interface of every mode's decoder. */
export interface Decoder<Taken = Frame> {
  /** Maximum bytes of one frame's JSON; may change between frames. */
  limit: number;
  /** Bytes held of an incomplete frame. The decoder's owner enforces the frame deadline. */
  readonly heldBytes: number;
  /**
   * Decodes bytes and passes each complete frame to `onFrame`, in order. It reads the next frame only after that, so a
   * login can raise `limit` for later frames in the same bytes. After `onFrame` returns false, the decoder drops the
   * remaining bytes and all later ones.
   * @param onRefused receives complete frames with refused content, in order; without it they throw
   * @throws ProtocolError `frameTooLarge`, `badFrame`, `tooDeep`, `badText`, `badField`; and any error of `onFrame`.
   * The connection must end: a decoder that has thrown throws the same error again
   */
  push(bytes: Uint8Array, onFrame: OnFrame<Taken>, onRefused?: OnRefused): void;
  /** Bytes received while paused. */
  readonly keptBytes: number;
  /**
   * Call it during the delivery of a frame to stop after that frame. The decoder keeps the bytes behind it, and all
   * bytes pushed later, undecoded until {@link resume}.
   */
  pause(): void;
  /**
   * Decodes the kept bytes. The delivery of one of their frames may pause it again.
   * @throws like {@link push}
   */
  resume(onFrame: OnFrame<Taken>, onRefused?: OnRefused): void;
}

/** The side that sent the frames. */
export interface Side<Taken> {
  readonly parse: (json: Uint8Array) => Taken;
  /** Whether a frame may be an array (an offline batch). */
  readonly batches: boolean;
}

/** Frames of a client: objects that are safe to store and relay. This is the default side of decoders. */
export const fromClient: Side<Frame> = { parse: parseObject, batches: false };
/** Frames of a server: objects and arrays of objects. */
export const fromServer: Side<ServerFrame> = { parse: parseServerFrame, batches: true };
/** Largest frame of a server in bytes of JSON: the limit for decoders of server frames. */
export const MAX_SERVER_FRAME_BYTES = 1024 * 1024;

const NOTHING = new Uint8Array();

/** State of a decoder and the buffer of its incomplete frame. Each mode implements how bytes are cut into frames. */
export abstract class FrameDecoder<Taken> implements Decoder<Taken> {
  private parts: Uint8Array[] = [];
  private held = 0;
  private stopped = false;
  private paused = false;
  /** Bytes received while paused, not decoded yet. */
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
   * Delivers every frame that these bytes complete and holds the rest. Stops when `deliver` returns false. If
   * {@link isPaused} is set after a frame, keeps the bytes behind it.
   */
  protected abstract cut(bytes: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): void;

  /** Delivers the JSON of one frame. False: deliver no more frames. */
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
    // Copy the bytes unless they are already a copy, for the reason given in `hold`.
    if (this.kept.length > 0) this.kept = concatenate([this.kept, bytes], this.kept.length + bytes.length);
    else this.kept = bytes.buffer === this.copied ? bytes : new Uint8Array(bytes);
    this.copied = this.kept.buffer;
  }

  protected check(size: number, limit: number): void {
    if (size > limit) throw new ProtocolError('frameTooLarge', `a frame is larger than ${this.limit} bytes`);
  }

  protected hold(rest: Uint8Array): void {
    if (rest.length === 0) return;
    // Copy: the bytes may be a view of a large buffer, which a slow frame would keep alive, or of a reused one. `slice`
    // of a Buffer would return a view.
    this.parts.push(new Uint8Array(rest));
    this.held += rest.length;
    if (this.parts.length > 64) this.parts = [concatenate(this.parts, this.held)];
  }

  /** All held bytes followed by `tail`, in one piece; empties the buffer. */
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
