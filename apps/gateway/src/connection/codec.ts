import { encodeJsonLine, JsonLinesDecoder } from '@huizhi/protocol';

/** Bytes in, frames out; JSON text in, bytes (as text) out. */
export interface Codec {
  readonly decoder: JsonLinesDecoder;
  readonly encode: (json: string) => string;
}

const OPENING_BRACE = 0x7b;

/**
 * The first byte decides how a connection speaks, once and for all. Further modes (base64 lines, binary frames, WebSocket) are a case here
 * and a decoder each. Undefined: nothing we speak.
 */
export function codecFor(firstByte: number, limit: number): Codec | undefined {
  if (firstByte === OPENING_BRACE) return jsonLines(limit);
  return undefined;
}

/** Also what a connection is answered in that never said how it speaks. */
export const jsonLines = (limit: number): Codec => ({ decoder: new JsonLinesDecoder(limit), encode: encodeJsonLine });
