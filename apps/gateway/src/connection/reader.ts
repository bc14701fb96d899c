import { ProtocolError, type RefusedContentError } from '@huizhi/protocol';
import type { GatewayConfig } from '../config.js';
import { TokenBucket } from '../time/token-bucket.js';
import { codecFor, jsonLines, type Codec } from './codec.js';

/** A frame as it was decoded, before anyone has looked at its fields. */
export type Raw = Record<string, unknown>;

export type ReaderSettings = Pick<
  GatewayConfig,
  'LOGIN_BYTES' | 'FRAME_BYTES' | 'BYTES_PER_SECOND' | 'FRAMES_PER_SECOND' | 'QUIET_FRAMES_PER_SECOND'
>;

/** What one connection sends, made into frames, within what it may send: little before the login, then so much a frame and a second. */
export class Reader {
  /** Since when there is the beginning of a frame; 0 when there is none. */
  partialAt = 0;
  private codec: Codec | undefined;
  private bytesBeforeLogin = 0;
  private rate: TokenBucket | undefined;
  private quietRate: TokenBucket | undefined;
  private byteRate: TokenBucket | undefined;

  /**
   * Both return false when nothing more is to be read.
   * @param takeRefused is told of frames that are whole and must not be stored or relayed
   */
  constructor(
    private readonly settings: ReaderSettings,
    private readonly take: (raw: Raw) => boolean,
    private readonly takeRefused: (error: RefusedContentError) => boolean,
  ) {}

  /** @throws ProtocolError when what follows cannot be made out, or is too much */
  read(bytes: Uint8Array, now: number): void {
    this.codec ??= this.chosenCodec(bytes);
    const { decoder } = this.codec;
    if (!this.rate) this.bytesBeforeLogin += bytes.length;
    const begun = this.partialAt;
    this.partialAt = 0;
    decoder.push(bytes, this.take, this.takeRefused);
    // It counts from its first byte: unless a frame was completed now it is still the one that had begun.
    if (decoder.heldBytes > 0) this.partialAt = begun !== 0 && decoder.heldBytes > bytes.length ? begun : now;
    const { LOGIN_BYTES } = this.settings;
    if (this.rate || this.bytesBeforeLogin <= LOGIN_BYTES) return;
    throw new ProtocolError('frameTooLarge', `more than ${LOGIN_BYTES} bytes before the login has succeeded`);
  }

  /** Half of what may be read before the login has come. */
  get isHalfSpent(): boolean {
    return this.bytesBeforeLogin > this.settings.LOGIN_BYTES / 2;
  }

  /** From now on the limits told at login hold. */
  loggedIn(now: number): void {
    this.rate = new TokenBucket(this.settings.FRAMES_PER_SECOND, now);
    this.byteRate = new TokenBucket(this.settings.BYTES_PER_SECOND, now);
    this.quietRate = new TokenBucket(this.settings.QUIET_FRAMES_PER_SECOND, now);
    if (this.codec) this.codec.decoder.limit = this.settings.FRAME_BYTES;
  }

  /** Whatever is in them: reading costs. */
  isWithinBytes(bytes: number, now: number): boolean {
    return this.byteRate?.take(now, bytes) ?? true;
  }

  /** Receipts and heartbeats have a rate of their own: who owes them must not be punished for them. */
  isWithinRate(raw: Raw, now: number): boolean {
    return (isQuiet(raw) ? this.quietRate : this.rate)?.take(now) ?? true;
  }

  /** To be asked also for frames that are refused: nobody owes wrong ones, and saying what is wrong costs more than doing what is right. */
  mayBeWrong(raw: Raw, now: number): boolean {
    return isQuiet(raw) ? (this.rate?.take(now) ?? true) : true;
  }

  /** A frame as this connection's mode wants it; as a line for who never said how it speaks. */
  encode(json: string): string {
    this.codec ??= jsonLines(this.settings.LOGIN_BYTES);
    return this.codec.encode(json);
  }

  private chosenCodec(bytes: Uint8Array): Codec {
    const codec = codecFor(bytes[0] ?? 0, this.settings.LOGIN_BYTES);
    if (!codec) throw new ProtocolError('badFrame', 'the first byte is not the beginning of a frame');
    return codec;
  }
}

const isQuiet = ({ messageType }: Raw): boolean =>
  messageType === 'receipt' || messageType === undefined || messageType === null;
