import { holds, numberAfter, numberAt } from './scan.js';

const START = '{"inboxSeq":';
const PREVIOUS = ',"prevInboxSeq":';
const TEXT = '"content":{"text":"';

/**
 * The text of a message after its number, so long that its frame has about `bytes` bytes; `fixed` counts the other
 * bytes.
 */
export const padding = (bytes: number, fixed: number): string => ` ${'x'.repeat(Math.max(1, bytes - fixed))}`;

/**
 * Reads deliveries of one sender's numbered messages without parsing JSON. The fields hold the values of the last
 * accepted line.
 */
export class DeliveryLine {
  inboxSeq = 0;
  previous = 0;
  seq = 0;
  n = 0;
  private readonly from: string;
  private readonly rest: string;

  constructor(
    private readonly sender: string,
    private readonly text: string,
  ) {
    this.from = `"fromUserID":"${sender}"`;
    this.rest = `${text}"}`;
  }

  /**
   * Accepts a line whose whole text is a message that this sender could have sent. Returns false for any other line.
   */
  take(text: string, start: number, end: number): boolean {
    if (!text.startsWith(START, start)) return false;
    const inboxSeq = numberAt(text, start + START.length);
    const next = text.indexOf(',', start);
    const seq = numberAfter(text, '"seq":', next, end);
    const id = numberAfter(text, '"clientMsgID":"', next, end);
    const content = text.indexOf(TEXT, next) + TEXT.length;
    const n = numberAt(text, content);
    const whole = seq > 0 && n > 0 && n === id && content < end && holds(text, this.from, next, end);
    if (!whole || !text.startsWith(this.rest, content + String(n).length)) return false;
    this.inboxSeq = inboxSeq;
    this.previous = text.startsWith(PREVIOUS, next) ? numberAt(text, next + PREVIOUS.length) : inboxSeq - 1;
    this.seq = seq;
    this.n = n;
    return true;
  }

  /** The same check for a parsed frame: whether message n of this sender has that text. */
  says(n: number, sender: string, text: string): boolean {
    return sender === this.sender && text === `${n}${this.text}`;
  }
}
