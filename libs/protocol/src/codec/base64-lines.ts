import { ProtocolError } from '../errors.js';
import { base64Length, decodeBase64, encodeBase64 } from './base64.js';
import type { OnFrame, OnRefused } from './decoder.js';
import type { Frame } from './json.js';
import { LinesDecoder } from './lines.js';

const LF = 0x0a;
const CR = 0x0d;
/** A line end inside the encoding, CRLF at most: the guide's client puts it there. */
const INNER_END = 2;
/** The most characters of a bare heartbeat's line, as of any `beatID`. */
const MAX_BARE = 64;
/** Bare heartbeats whose answer is awaited; far more than a client has under way. */
const MAX_AWAITED = 64;
/** What a bare heartbeat consists of: the characters of ids and those of base64. */
const BARE = /^[A-Za-z0-9+/=._:@-]+$/;
const BEAT_START = '{"beatID":"';

const utf8 = new TextEncoder();
const ascii = new TextDecoder();

/** What base64 begins with whose text begins with `{`, and with `[`: then comes one of w–z, 0–9, + and /. */
const OBJECT = 0x65;
const ARRAY = 0x57;

/** Whether base64 that begins with these two bytes is that of text that begins with `{`; with `batches`, or with `[`. */
export function isBase64OfJson(first: number | undefined, second: number | undefined, batches = false): boolean {
  const isFirst = first === OBJECT || (batches && first === ARRAY);
  return isFirst && second !== undefined && /[w-z0-9+/]/.test(String.fromCharCode(second));
}

/**
 * JSON frames, each in standard base64 on a line. Padding may be missing, a line end inside the encoding is passed over; the limit is
 * that of the decoded frame.
 *
 * A line that is not base64 of text beginning with `{` (of a server also `[`) is a *bare heartbeat*, as the guide's client sends it: 1–64 characters of
 * ids and base64. It is given as `{"beatID": line}`, the line as it stands, and answered by the same line.
 */
export class Base64LinesDecoder<Taken = Frame> extends LinesDecoder<Taken> {
  private readonly awaited = new Set<string>();

  protected override get lineLimit(): number {
    return base64Length(this.limit + INNER_END);
  }

  /** The line that answers a bare heartbeat, if `json` is the answer to one; once for each. */
  bareAnswer(json: string): string | undefined {
    if (this.awaited.size === 0 || !json.startsWith(BEAT_START)) return undefined;
    const beatID = json.slice(BEAT_START.length, json.indexOf('"', BEAT_START.length));
    return this.awaited.delete(beatID) ? `${beatID}\n` : undefined;
  }

  protected override line(line: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): boolean {
    if (!isBase64OfJson(line[0], line[1], this.side.batches)) return this.bare(line, onFrame, onRefused);
    const decoded = decodeBase64(line);
    if (!decoded) throw new ProtocolError('badFrame', 'a line is not base64');
    const json = withoutEnd(decoded);
    this.check(json.length, this.limit);
    return this.deliver(json, onFrame, onRefused);
  }

  private bare(line: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): boolean {
    const beatID = line.length <= MAX_BARE ? ascii.decode(line) : '';
    if (!BARE.test(beatID)) throw new ProtocolError('badFrame', 'a line is neither base64 of JSON nor a heartbeat');
    const [oldest] = this.awaited.size < MAX_AWAITED ? [] : this.awaited;
    if (oldest !== undefined) this.awaited.delete(oldest);
    this.awaited.add(beatID);
    return this.deliver(utf8.encode(JSON.stringify({ beatID })), onFrame, onRefused);
  }
}

function withoutEnd(text: Uint8Array): Uint8Array {
  if (text.at(-1) !== LF) return text;
  return text.subarray(0, text.at(-2) === CR ? -2 : -1);
}

/** One frame as a line of base64. */
export function encodeBase64Line(json: string): string {
  const line = encodeBase64(utf8.encode(json), 1);
  line[line.length - 1] = LF;
  return ascii.decode(line);
}
