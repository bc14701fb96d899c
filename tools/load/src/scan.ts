/**
 * Reads single fields of a frame's line without parsing it. Correct only for the load tool's own messages: their texts
 * hold no quotation mark, so a quoted name with a colon is always a field.
 */

const ZERO = 0x30;
const NINE = 0x39;

/**
 * The number after `name` (as written in the line: `"seq":` or `"clientMsgID":"`) between `start` and `end`; −1 when
 * absent.
 */
export function numberAfter(text: string, name: string, start: number, end: number): number {
  const at = text.indexOf(name, start);
  return at < 0 || at >= end ? -1 : numberAt(text, at + name.length);
}

/** The digits at `from` as a number; −1 when there are none. */
export function numberAt(text: string, from: number): number {
  let value = 0;
  let at = from;
  for (let code = text.charCodeAt(at); code >= ZERO && code <= NINE; code = text.charCodeAt(++at)) {
    value = value * 10 + code - ZERO;
  }
  return at === from ? -1 : value;
}

/** Whether `part` is in the line from `start` to `end`. */
export function holds(text: string, part: string, start: number, end: number): boolean {
  const at = text.indexOf(part, start);
  return at >= 0 && at < end;
}

/** Parses the whole frame; each character of `text` is one byte of UTF-8. */
export function frameIn(text: string, start: number, end: number): unknown {
  return JSON.parse(Buffer.from(text.slice(start, end), 'latin1').toString('utf8'));
}
