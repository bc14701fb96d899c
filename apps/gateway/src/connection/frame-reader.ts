import {
  isQuiet,
  modeOf,
  ProtocolError,
  type CloseName,
  type Decoder,
  type Frame,
  type RefusedContentError,
} from '@huizhi/protocol';
import type { GatewayConfig } from '../config.js';
import { TokenBucket } from '../timing/token-bucket.js';
import { codecFor, jsonLines, type Codec, type Written } from './codec.js';

/** A decoded frame whose fields are not validated yet. */
export type RawFrame = Frame;

const NOTHING = new Uint8Array();

export type ReaderSettings = Pick<
  GatewayConfig,
  'HZ_LOGIN_BYTES' | 'HZ_FRAME_BYTES' | 'HZ_BYTES_PER_SECOND' | 'HZ_FRAMES_PER_SECOND' | 'HZ_QUIET_FRAMES_PER_SECOND'
>;

/**
 * Decodes the bytes of one connection into frames and counts them against the limits. Before the login the total bytes
 * are limited; after it, the bytes per frame and the rates per second.
 */
export class FrameReader {
  private codec: Codec | undefined;
  /** Bytes received before the connection's mode is known. */
  private beginning = NOTHING;
  private partialSince = 0;
  /** When decoding was paused, ms; 0 while it is not. */
  private pausedAt = 0;
  private bytesBeforeLogin = 0;
  private rate: TokenBucket | undefined;
  private quietRate: TokenBucket | undefined;
  private byteRate: TokenBucket | undefined;

  /**
   * `take` and `takeRefused` return false when no more bytes may be decoded.
   * @param takeRefused receives complete frames that must not be stored or relayed
   * @param webSocket creates the codec of a connection that begins as HTTP
   */
  constructor(
    private readonly settings: ReaderSettings,
    private readonly take: (raw: RawFrame) => boolean,
    private readonly takeRefused: (error: RefusedContentError) => boolean,
    private readonly webSocket: (limit: number) => Codec,
  ) {}

  /** When the first byte of an incomplete frame arrived, ms; 0 when there is none. */
  get partialAt(): number {
    return this.codec && this.pausedAt === 0 && this.codec.decoder.heldBytes > 0 ? this.partialSince : 0;
  }

  /** @throws ProtocolError when the bytes cannot be decoded or exceed the limit */
  read(bytes: Uint8Array, now: number): void {
    if (!this.rate) this.bytesBeforeLogin += bytes.length;
    if (this.codec) this.decode(this.codec, bytes, now);
    else this.begin(bytes, now);
    const { HZ_LOGIN_BYTES } = this.settings;
    if (this.rate || this.bytesBeforeLogin <= HZ_LOGIN_BYTES) return;
    throw new ProtocolError('frameTooLarge', `more than ${HZ_LOGIN_BYTES} bytes before the login has succeeded`);
  }

  /** The WebSocket upgrade is done. Its bytes do not count for the login limit; `early` bytes came after it. */
  upgraded(early: number): void {
    this.bytesBeforeLogin = early;
  }

  /** Half of the byte limit before the login is used. */
  get isHalfSpent(): boolean {
    return this.bytesBeforeLogin > this.settings.HZ_LOGIN_BYTES / 2;
  }

  /** Applies the limits that the login receipt announces. */
  loggedIn(now: number): void {
    this.rate = new TokenBucket(this.settings.HZ_FRAMES_PER_SECOND, now);
    this.byteRate = new TokenBucket(this.settings.HZ_BYTES_PER_SECOND, now);
    this.quietRate = new TokenBucket(this.settings.HZ_QUIET_FRAMES_PER_SECOND, now);
    if (this.codec) this.codec.decoder.limit = this.settings.HZ_FRAME_BYTES;
  }

  /** Stops decoding after the current frame until {@link resume}. */
  pause(now: number): void {
    this.pausedAt = now;
    this.codec?.decoder.pause();
  }

  /** @throws ProtocolError like {@link read} */
  resume(now: number): void {
    // Time in which the gateway did not decode does not count for the frame deadline.
    this.partialSince += now - this.pausedAt;
    this.pausedAt = 0;
    if (!this.codec) return;
    const { decoder } = this.codec;
    const [begun, kept] = [this.partialAt, decoder.keptBytes];
    decoder.resume(this.take, this.takeRefused);
    this.noteBeginning(decoder, begun, kept - decoder.keptBytes, now);
  }

  /**
   * Counts bytes read, of any content.
   * @returns false when the byte rate is exceeded and reading must pause
   */
  countBytes(bytes: number, now: number): boolean {
    return this.byteRate?.spend(now, bytes) ?? true;
  }

  /**
   * Counts a frame. Receipts and heartbeats have a separate rate, because the protocol requires a client to send them.
   * WebSocket pings and pongs count as normal frames.
   * @returns false when the frame exceeds its rate and must wait
   */
  isWithinRate(raw: RawFrame, now: number): boolean {
    return (isQuiet(raw) ? this.quietRate : this.rate)?.take(now) ?? true;
  }

  /**
   * Counts a refused frame. Invalid receipts and heartbeats also count against the normal rate, because refusing costs
   * more than processing.
   * @returns false when the rate is exceeded and reading must pause
   */
  countWrong(raw: RawFrame, now: number): boolean {
    return !isQuiet(raw) || (this.rate?.spend(now) ?? true);
  }

  /** A rate is in debt: more was counted than it allows. */
  isInDebt(now: number): boolean {
    return (this.byteRate?.hasDebt(now) ?? false) || (this.rate?.hasDebt(now) ?? false);
  }

  /** How many frames of any kind are within the rates; at least one, which may have to wait. */
  allowance(now: number): number {
    if (!this.rate || !this.quietRate) return Infinity;
    return Math.max(1, Math.min(this.rate.whole(now), this.quietRate.whole(now)));
  }

  /** Encodes a frame in the connection's mode, or as a JSON line while the mode is unknown. */
  encode(json: string): Written {
    return (this.codec ??= jsonLines(this.settings.HZ_LOGIN_BYTES)).encode(json);
  }

  /** Whether the connection's mode has {@link ping}. */
  get canPing(): boolean {
    return this.codec?.ping !== undefined;
  }

  /** Encodes a ping, which the client's WebSocket library answers. */
  ping(): Written {
    return this.codec?.ping?.() ?? '';
  }

  /** Encodes the last frame like {@link encode}. */
  encodeClose(close: string, name: CloseName): Written {
    return (this.codec ??= jsonLines(this.settings.HZ_LOGIN_BYTES)).encodeClose(close, name);
  }

  /** Releases the codec after the socket has closed. */
  end(): void {
    this.codec?.end();
  }

  /** Detects the mode from the first bytes; these may arrive in several chunks. */
  private begin(bytes: Uint8Array, now: number): void {
    const beginning = this.beginning.length === 0 ? bytes : Buffer.concat([this.beginning, bytes]);
    const mode = modeOf(beginning);
    if (mode === undefined) throw new ProtocolError('badFrame', 'the first bytes are not the beginning of a frame');
    this.beginning = mode === 'undecided' ? new Uint8Array(beginning) : NOTHING;
    if (mode === 'undecided') return;
    this.codec = codecFor(mode, this.settings.HZ_LOGIN_BYTES, this.webSocket);
    this.decode(this.codec, beginning, now);
  }

  private decode({ decoder }: Codec, bytes: Uint8Array, now: number): void {
    const begun = this.partialAt;
    decoder.push(bytes, this.take, this.takeRefused);
    this.noteBeginning(decoder, begun, bytes.length - decoder.keptBytes, now);
  }

  /**
   * The frame deadline counts from the first byte of a frame. The start time is kept only while the same frame is still
   * incomplete.
   */
  private noteBeginning({ heldBytes }: Decoder, begun: number, bytes: number, now: number): void {
    if (heldBytes > 0) this.partialSince = begun !== 0 && heldBytes > bytes ? begun : now;
  }
}
