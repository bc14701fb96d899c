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

/** A frame as it was decoded, before anyone has looked at its fields. */
export type RawFrame = Frame;

const NOTHING = new Uint8Array();

export type ReaderSettings = Pick<
  GatewayConfig,
  'HZ_LOGIN_BYTES' | 'HZ_FRAME_BYTES' | 'HZ_BYTES_PER_SECOND' | 'HZ_FRAMES_PER_SECOND' | 'HZ_QUIET_FRAMES_PER_SECOND'
>;

/** What one connection sends, made into frames, within what it may send: little before the login, then so much a frame and a second. */
export class FrameReader {
  private codec: Codec | undefined;
  /** What came and does not say yet how the connection speaks. */
  private beginning = NOTHING;
  private partialSince = 0;
  /** Since when nothing is decoded; 0 when it is. */
  private pausedAt = 0;
  private bytesBeforeLogin = 0;
  private rate: TokenBucket | undefined;
  private quietRate: TokenBucket | undefined;
  private byteRate: TokenBucket | undefined;

  /**
   * The first two return false when nothing more is to be read.
   * @param takeRefused is told of frames that are whole and must not be stored or relayed
   * @param webSocket makes the codec of a connection that begins as HTTP
   */
  constructor(
    private readonly settings: ReaderSettings,
    private readonly take: (raw: RawFrame) => boolean,
    private readonly takeRefused: (error: RefusedContentError) => boolean,
    private readonly webSocket: (limit: number) => Codec,
  ) {}

  /** Since when there is the beginning of a frame whose rest may come; 0 when there is none. */
  get partialAt(): number {
    return this.codec && this.pausedAt === 0 && this.codec.decoder.heldBytes > 0 ? this.partialSince : 0;
  }

  /** @throws ProtocolError when what follows cannot be made out, or is too much */
  read(bytes: Uint8Array, now: number): void {
    if (!this.rate) this.bytesBeforeLogin += bytes.length;
    if (this.codec) this.decode(this.codec, bytes, now);
    else this.begin(bytes, now);
    const { HZ_LOGIN_BYTES } = this.settings;
    if (this.rate || this.bytesBeforeLogin <= HZ_LOGIN_BYTES) return;
    throw new ProtocolError('frameTooLarge', `more than ${HZ_LOGIN_BYTES} bytes before the login has succeeded`);
  }

  /** An upgrade has bounds of its own: the login begins after it, of which so many bytes have come. */
  upgraded(early: number): void {
    this.bytesBeforeLogin = early;
  }

  /** Half of what may be read before the login has come. */
  get isHalfSpent(): boolean {
    return this.bytesBeforeLogin > this.settings.HZ_LOGIN_BYTES / 2;
  }

  /** From now on the limits told at login hold. */
  loggedIn(now: number): void {
    this.rate = new TokenBucket(this.settings.HZ_FRAMES_PER_SECOND, now);
    this.byteRate = new TokenBucket(this.settings.HZ_BYTES_PER_SECOND, now);
    this.quietRate = new TokenBucket(this.settings.HZ_QUIET_FRAMES_PER_SECOND, now);
    if (this.codec) this.codec.decoder.limit = this.settings.HZ_FRAME_BYTES;
  }

  /** To be asked behind a frame: nothing more is decoded until {@link resume}. */
  pause(now: number): void {
    this.pausedAt = now;
    this.codec?.decoder.pause();
  }

  /** @throws ProtocolError like {@link read} */
  resume(now: number): void {
    // The time in which nothing was decoded is not the client's.
    this.partialSince += now - this.pausedAt;
    this.pausedAt = 0;
    if (!this.codec) return;
    const { decoder } = this.codec;
    const [begun, kept] = [this.partialAt, decoder.keptBytes];
    decoder.resume(this.take, this.takeRefused);
    this.noteBeginning(decoder, begun, kept - decoder.keptBytes, now);
  }

  /** Counts bytes that were read, whatever is in them: reading costs. False: beyond their rate; no more may be read for now. */
  countBytes(bytes: number, now: number): boolean {
    return this.byteRate?.spend(now, bytes) ?? true;
  }

  /**
   * Counts a frame. Receipts and heartbeats have a rate of their own, since a client owes them; a ping or pong of WebSocket counts
   * like other frames.
   * @returns false: it is beyond the rate and must wait
   */
  isWithinRate(raw: RawFrame, now: number): boolean {
    return (isQuiet(raw) ? this.quietRate : this.rate)?.take(now) ?? true;
  }

  /**
   * Counts a frame that is refused. Receipts and heartbeats that are wrong count as other frames, too: refusing costs more than
   * processing. False: beyond the rate; no more may be read for now.
   */
  countWrong(raw: RawFrame, now: number): boolean {
    return !isQuiet(raw) || (this.rate?.spend(now) ?? true);
  }

  /** More was counted than the rates allow. */
  isInDebt(now: number): boolean {
    return (this.byteRate?.hasDebt(now) ?? false) || (this.rate?.hasDebt(now) ?? false);
  }

  /** How many frames are within the rates, whatever they are; at least one, which may have to wait. */
  allowance(now: number): number {
    if (!this.rate || !this.quietRate) return Infinity;
    return Math.max(1, Math.min(this.rate.whole(now), this.quietRate.whole(now)));
  }

  /** A frame as this connection's mode wants it; as a line for who never said how it speaks. */
  encode(json: string): Written {
    return (this.codec ??= jsonLines(this.settings.HZ_LOGIN_BYTES)).encode(json);
  }

  /** Whether this connection's mode has {@link ping}. */
  get canPing(): boolean {
    return this.codec?.ping !== undefined;
  }

  /** Asks the client's library for a sign of life. */
  ping(): Written {
    return this.codec?.ping?.() ?? '';
  }

  /** The last frame, likewise. */
  farewell(close: string, name: CloseName): Written {
    return (this.codec ??= jsonLines(this.settings.HZ_LOGIN_BYTES)).farewell(close, name);
  }

  /** The socket is gone. */
  end(): void {
    this.codec?.end();
  }

  /** The first bytes decide, however slowly they come. */
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

  /** A frame's time counts from its first byte: unless one was completed now, the beginning is that of the one that had begun. */
  private noteBeginning({ heldBytes }: Decoder, begun: number, bytes: number, now: number): void {
    if (heldBytes > 0) this.partialSince = begun !== 0 && heldBytes > bytes ? begun : now;
  }
}
