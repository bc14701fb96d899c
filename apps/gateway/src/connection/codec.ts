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

/** Output for a socket. A connection writes only one of the two types. */
export type Written = string | Uint8Array;

/** The wire format of a connection: decodes bytes into frames, encodes JSON text into bytes. */
export interface Codec {
  readonly decoder: Decoder;
  /** Encodes one frame. */
  encode(json: string): Written;
  /** Encodes a ping that the client's library answers; absent in modes without one. */
  ping?(): Written;
  /** Encodes the last output of the connection. `close` is the close frame; no frame is encoded after it. */
  encodeClose(close: string, name: CloseName): Written;
  /** The socket has closed. */
  end(): void;
}

class StreamCodec implements Codec {
  constructor(
    readonly decoder: Decoder,
    readonly encode: (json: string) => Written,
  ) {}

  encodeClose(close: string): Written {
    return this.encode(close);
  }

  end(): void {
    // There is nothing to release.
  }
}

/** Also used for answers before the connection's mode is known. */
export const jsonLines = (limit: number): Codec => new StreamCodec(new JsonLinesDecoder(limit), encodeJsonLine);

const base64Lines = (limit: number): Codec => new StreamCodec(new Base64LinesDecoder(limit), encodeBase64Line);

const hzFrames = (limit: number): Codec => new StreamCodec(new HzDecoder(limit), encodeHzFrame);

/** @param webSocket creates the WebSocket codec, which also writes bytes on its own */
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
