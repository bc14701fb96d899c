import { ProtocolError } from '../errors.js';
import { base64Length, decodeBase64, encodeBase64 } from './base64.js';
import type { OnFrame, OnRefused } from './decoder.js';
import type { Frame } from './json.js';
import { LinesDecoder } from './lines.js';

const LF = 0x0a;
const CR = 0x0d;
/** Maximum bytes of a line end inside the encoding (CRLF); the published iOS client encodes one. */
const INNER_END = 2;
/** Maximum characters of a bare heartbeat, and of any `beatID`. */
const MAX_BARE = 64;
/** Characters of a bare heartbeat: those of plain ids and of base64. */
const BARE = /^[A-Za-z0-9+/=._:@-]+$/;
/**
 * The heartbeat of the published iOS client. The client may also base64-encode it, with or without a line end inside
 * and padding.
 */
const PUBLISHED_BEAT = 'beatID';
const PUBLISHED_BEAT_ENCODED: ReadonlySet<string> = new Set([
  'YmVhdElE',
  'YmVhdElECg',
  'YmVhdElECg==',
  'YmVhdElEDQo',
  'YmVhdElEDQo=',
]);

const utf8 = new TextEncoder();
const ascii = new TextDecoder();

/** First character of the base64 of `{…` and of `[…`. The second character is one of w–z, 0–9, + and /. */
const OBJECT = 0x65;
const ARRAY = 0x57;

/** Whether base64 that begins with these two bytes encodes text that begins with `{`; with `batches`, `{` or `[`. */
export function isBase64OfJson(first: number | undefined, second: number | undefined, batches = false): boolean {
  const isFirst = first === OBJECT || (batches && first === ARRAY);
  return isFirst && second !== undefined && /[w-z0-9+/]/.test(String.fromCharCode(second));
}

/**
 * JSON frames, each as a line of standard base64. The limit applies to the decoded JSON without a line end inside the
 * encoding.
 *
 * A client line that is not base64 of text beginning with `{` is a *bare heartbeat*: 1–64 characters of {@link BARE},
 * decoded as the frame `{"beatID": line}`. The published client compares the `beatID` of the answer with the word it
 * sent, so that word is also recognised in base64.
 */
export class Base64LinesDecoder<Taken = Frame> extends LinesDecoder<Taken> {
  protected override get lineLimit(): number {
    return base64Length(this.limit + INNER_END);
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
    const text = line.length <= MAX_BARE ? ascii.decode(line) : '';
    if (this.side.batches || !BARE.test(text)) {
      throw new ProtocolError('badFrame', 'a line is neither base64 of JSON nor a heartbeat');
    }
    const beatID = PUBLISHED_BEAT_ENCODED.has(text) ? PUBLISHED_BEAT : text;
    return this.deliver(utf8.encode(JSON.stringify({ beatID })), onFrame, onRefused);
  }
}

function withoutEnd(text: Uint8Array): Uint8Array {
  if (text.at(-1) !== LF) return text;
  return text.subarray(0, text.at(-2) === CR ? -2 : -1);
}

/** One frame as a line of base64. */
export const encodeBase64Line = (json: string): string => `${encodeBase64(json)}\n`;
