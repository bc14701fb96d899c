import type { OnFrame, OnRefused } from './decoder.js';
import type { Frame } from './json.js';
import { LinesDecoder } from './lines.js';

/** UTF-8 JSON, one frame per line. See {@link LinesDecoder}. */
export class JsonLinesDecoder<Taken = Frame> extends LinesDecoder<Taken> {
  protected override get lineLimit(): number {
    return this.limit;
  }

  protected override line(line: Uint8Array, onFrame: OnFrame<Taken>, onRefused: OnRefused | undefined): boolean {
    return this.deliver(line, onFrame, onRefused);
  }
}

/** One frame as a line. `json` is JSON text without line breaks, as `JSON.stringify` makes it. */
export const encodeJsonLine = (json: string): string => `${json}\n`;
