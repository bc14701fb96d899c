import {
  Base64LinesDecoder,
  encodeBase64Line,
  encodeHzFrame,
  encodeJsonLine,
  HzDecoder,
  JsonLinesDecoder,
  type CloseName,
  type Decoder,
  type Mode,
} from '@huizhi/protocol';

/** What is written to a socket. One connection writes only one kind. */
export type Written = string | Uint8Array;

/** How a connection speaks: bytes in, frames out; JSON text in, bytes out. */
export interface Codec {
  readonly decoder: Decoder;
  /** One frame. */
  encode(json: string): Written;
  /** Asks the client's library for a sign of life; absent where a mode has no such thing. */
  ping?(): Written;
  /** The last words, of which `close` is the frame that says why: nothing is encoded after them. */
  farewell(close: string, name: CloseName): Written;
  /** The socket is gone. */
  end(): void;
}

class StreamCodec implements Codec {
  constructor(
    readonly decoder: Decoder,
    readonly encode: (json: string) => Written,
  ) {}

  farewell(close: string): Written {
    return this.encode(close);
  }

  end(): void {
    // It is nothing but memory.
  }
}

/** Also what a connection is answered in that never said how it speaks. */
export const jsonLines = (limit: number): Codec => new StreamCodec(new JsonLinesDecoder(limit), encodeJsonLine);

const base64Lines = (limit: number): Codec => new StreamCodec(new Base64LinesDecoder(limit), encodeBase64Line);

const hzFrames = (limit: number): Codec => new StreamCodec(new HzDecoder(limit), encodeHzFrame);

/** @param webSocket makes the one codec that needs more than bytes: it answers by itself, too */
export function codecFor(mode: Mode, limit: number, webSocket: (limit: number) => Codec): Codec {
  switch (mode) {
    case 'jsonLines':
      return jsonLines(limit);
    case 'base64Lines':
      return base64Lines(limit);
    case 'hz':
      return hzFrames(limit);
    case 'http':
      return webSocket(limit);
  }
}
