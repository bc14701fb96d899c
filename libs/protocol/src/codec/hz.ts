import { ProtocolError } from '../errors.js';
import { FrameDecoder, type OnFrame, type OnRefused } from './decoder.js';
import type { Frame } from './json.js';

/**
 * Binary frames: a header of ten bytes, numbers big endian, then `bodyLength` bytes of UTF-8 JSON without a line end.
 *
 *   0     1     2         3      4 5           6 7 8 9
 *   0x48  0x5A  version   type   flags         body length
 *   "H"   "Z"   1         1, 2   0             1 … the frame limit
 *
 * No flag is defined. Any other value is `badFrame`.
 */
export const HZ = {
  magic: [0x48, 0x5a],
  version: 1,
  versionAt: 2,
  typeAt: 3,
  flagsAt: 4,
  bodyLengthAt: 6,
  headerBytes: 10,
  /** The body is one JSON object. */
  frame: 1,
  /** The body is a JSON array of objects, an offline batch; only a server sends it. */
  batch: 2,
} as const;

const utf8 = new TextEncoder();
const OPENING_BRACKET = 0x5b;
const WHITE_SPACE = new Set<number | undefined>([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Decodes frames with the header {@link HZ}. Checks a header as soon as its ten bytes have arrived, before it holds any
 * of the body. It holds at most a header and `limit` bytes.
 */
export class HzDecoder<Taken = Frame> extends FrameDecoder<Taken> {
  /** Length of the current body in bytes; 0 while a header is expected. */
  private bodyBytes = 0;
  private isBatch = false;

  override get heldBytes(): number {
    return super.heldBytes + (this.bodyBytes === 0 ? 0 : HZ.headerBytes);
  }

  protected override cut(bytes: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): void {
    let rest = bytes;
    for (;;) {
      const needed = (this.bodyBytes || HZ.headerBytes) - super.heldBytes;
      if (rest.length < needed) return this.hold(rest);
      const piece = this.taken(rest.subarray(0, needed));
      rest = rest.subarray(needed);
      if (this.bodyBytes === 0) {
        this.bodyBytes = this.bodyLengthOf(piece);
        continue;
      }
      this.bodyBytes = 0;
      if (isArray(piece) !== this.isBatch) throw bad('is not what its type says');
      if (!this.deliver(piece, onFrame, onRefused)) return;
      if (this.isPaused) return this.keep(rest);
    }
  }

  private bodyLengthOf(header: Uint8Array): number {
    const fields = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const type = fields.getUint8(HZ.typeAt);
    const isKnown = type === HZ.frame || (type === HZ.batch && this.side.batches);
    if (fields.getUint8(0) !== HZ.magic[0] || fields.getUint8(1) !== HZ.magic[1]) throw bad('does not begin with HZ');
    if (fields.getUint8(HZ.versionAt) !== HZ.version) throw bad('is of an unknown version');
    if (!isKnown) throw bad('is of an unknown type');
    if (fields.getUint16(HZ.flagsAt) !== 0) throw bad('has unknown flags');
    const length = fields.getUint32(HZ.bodyLengthAt);
    if (length === 0) throw bad('has no body');
    this.check(length, this.limit);
    this.isBatch = type === HZ.batch;
    return length;
  }
}

/** Whether the text is an array, provided that it is valid JSON. */
function isArray(json: Uint8Array): boolean {
  let at = 0;
  while (WHITE_SPACE.has(json[at])) at++;
  return json[at] === OPENING_BRACKET;
}

const bad = (what: string): ProtocolError => new ProtocolError('badFrame', `a frame ${what}`);

/** Encodes JSON text as one frame with header and body; an array becomes a batch. */
export function encodeHzFrame(json: string): Uint8Array {
  const body = utf8.encode(json);
  const frame = new Uint8Array(HZ.headerBytes + body.length);
  const fields = new DataView(frame.buffer);
  frame.set(HZ.magic);
  fields.setUint8(HZ.versionAt, HZ.version);
  fields.setUint8(HZ.typeAt, body[0] === OPENING_BRACKET ? HZ.batch : HZ.frame);
  fields.setUint32(HZ.bodyLengthAt, body.length);
  frame.set(body, HZ.headerBytes);
  return frame;
}
