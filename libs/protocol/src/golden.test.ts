import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import Type, { type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { closeTable } from './closes.js';
import { Base64LinesDecoder, encodeBase64Line } from './codec/base64-lines.js';
import { fromServer, type Decoder } from './codec/decoder.js';
import { encodeHzFrame, HzDecoder } from './codec/hz.js';
import { JsonLinesDecoder } from './codec/json-lines.js';
import type { RefusedContentError, ServerFrame } from './codec/json.js';
import { modeOf } from './codec/mode.js';
import { downSchemas } from './down.js';
import { ProtocolError } from './errors.js';
import { contentHash, groupIdOf, inboxLaneOf, laneOf, messageIdOf, pairConversation, placeOf } from './ids.js';
import { readUp, upSchemas } from './up.js';

/** The golden vectors of `libs/protocol/fixtures`: plain JSON, so that clients in other languages can run them. */
const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8'));
const rowsOf = <T>(name: string): T[] => (fixture(name) as { rows: T[] }).rows;

type Frame = Record<string, unknown>;
interface Stream {
  name: string;
  limit: number;
  /** The side that sent the frames; default: a client. */
  from?: 'server';
  utf8?: string;
  base64?: string;
  hex?: string;
  /** Expected frames; a string is the error name of a complete frame that is refused. */
  frames: unknown[];
  /** The error that ends the stream. */
  error?: string;
}

function bytesOf({ utf8 = '', base64, hex }: Pick<Stream, 'utf8' | 'base64' | 'hex'>): Buffer {
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  return base64 === undefined ? Buffer.from(utf8) : Buffer.from(base64, 'base64');
}

type AnyDecoder = Decoder | Decoder<ServerFrame>;

function decode(decoder: AnyDecoder, chunks: Uint8Array[]): { frames: unknown[]; error?: string } {
  const frames: unknown[] = [];
  const add = (frame: unknown): void => void frames.push(frame);
  const addRefused = ({ error }: RefusedContentError): void => void frames.push(error);
  try {
    for (const chunk of chunks) decoder.push(chunk, add, addRefused);
  } catch (error) {
    return { frames, error: (error as ProtocolError).error };
  }
  return { frames };
}

const decoders: Record<string, (row: Stream) => AnyDecoder> = {
  'json-lines.json': ({ limit, from }) =>
    from ? new JsonLinesDecoder(limit, fromServer) : new JsonLinesDecoder(limit),
  'base64-lines.json': ({ limit, from }) =>
    from ? new Base64LinesDecoder(limit, fromServer) : new Base64LinesDecoder(limit),
  'hz-frames.json': ({ limit, from }) => (from ? new HzDecoder(limit, fromServer) : new HzDecoder(limit)),
};

describe.each(Object.keys(decoders))('%s', (file) => {
  const decoderFor = decoders[file] as (row: Stream) => AnyDecoder;

  test.each(rowsOf<Stream>(file))('$name', (row) => {
    const bytes = bytesOf(row);
    const expected = row.error === undefined ? { frames: row.frames } : { frames: row.frames, error: row.error };
    for (let at = 0; at <= bytes.length; at++) {
      expect(decode(decoderFor(row), [bytes.subarray(0, at), bytes.subarray(at)])).toEqual(expected);
    }
    const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
    expect(decode(decoderFor(row), single)).toEqual(expected);
  });
});

/** Implementations may run the rows with or without detection of the mode by the first bytes. */
test.each([
  ['json-lines.json', 'jsonLines'],
  ['base64-lines.json', 'base64Lines'],
  ['hz-frames.json', 'hz'],
] as const)('each client stream in %s begins with the bytes of mode %s', (file, mode) => {
  for (const row of rowsOf<Stream>(file)) {
    const found = modeOf(bytesOf(row));
    const isRefused = found === undefined && row.error === 'badFrame' && row.frames.length === 0;
    if (row.from || found === 'undecided' || isRefused) continue;
    expect([row.name, found]).toEqual([row.name, mode]);
  }
});

interface Encoded {
  json: string;
  utf8?: string;
  hex?: string;
}
const encodes = (name: string): Encoded[] => (fixture(name) as { encodes: Encoded[] }).encodes;

test.each(encodes('base64-lines.json'))('encodeBase64Line encodes $json', (row) =>
  expect(Buffer.from(encodeBase64Line(row.json))).toEqual(bytesOf(row)),
);

test.each(encodes('hz-frames.json'))('encodeHzFrame encodes $json', (row) =>
  expect(Buffer.from(encodeHzFrame(row.json))).toEqual(bytesOf(row)),
);

test.each(rowsOf<{ name: string; hex: string; mode: string | null }>('modes.json'))(
  'modeOf returns the mode of a connection that begins with $name',
  (row) => expect(modeOf(bytesOf(row)) ?? null).toBe(row.mode),
);

interface UpRow {
  name: string;
  first: boolean;
  raw: Frame;
  type?: string;
  frame?: Frame;
  error?: string;
  field?: string;
}

function refusalOf(read: () => unknown): ProtocolError | undefined {
  try {
    read();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  return undefined;
}

test.each([...rowsOf<UpRow>('frames-up.json'), ...rowsOf<UpRow>('guide-client.json')])(
  'readUp reads a client frame: $name',
  ({ raw, first, type, frame, error, field }) => {
    const read = () => readUp(raw, first);
    if (error === undefined) {
      expect(read()).toEqual({ type, frame });
      return;
    }
    const refusal = refusalOf(read);
    expect([refusal?.error, refusal?.message.split(': ')[0]]).toEqual([error, field]);
  },
);

test('the vectors contain every client command', () => {
  const rows = rowsOf<UpRow>('frames-up.json');
  for (const kind of Object.keys(upSchemas)) expect(rows.some(({ type }) => type === kind)).toBe(true);
});

const checks = new Map<string, TSchema>([...Object.entries(downSchemas), ['batch', Type.Array(downSchemas.normal)]]);

test.each(rowsOf<{ name: string; schema: string; frame: unknown }>('frames-down.json'))(
  'a server frame matches its schema: $name',
  ({ schema, frame }) => expect(Compile(checks.get(schema) ?? Type.Never()).Errors(frame)).toEqual([]),
);

test('the vectors contain every server frame', () => {
  const covered = rowsOf<{ schema: string }>('frames-down.json').map(({ schema }) => schema);
  expect([...new Set(covered)].sort()).toEqual([...checks.keys()].sort());
});

test('the WebSocket vectors contain every row of the close table', () => {
  const { closes } = fixture('web-socket.json') as { closes: { name: string; code: number; hex: string }[] };
  expect(closes.map(({ name, code }) => [name, code])).toEqual(
    Object.entries(closeTable).map(([name, { code }]) => [name, code]),
  );
  for (const { name, code, hex } of closes) {
    const head = Buffer.from([0x88, 2 + name.length, code >> 8, code & 0xff]);
    expect(hex).toBe(Buffer.concat([head, Buffer.from(name)]).toString('hex'));
  }
});

interface Ids {
  pair: [one: string, other: string, conversation: string][];
  group: [creator: string, clientMsgID: string, groupID: string][];
  lane: [text: string, lanes: number, lane: number][];
  messageID: [lane: number, position: number, id: string][];
  notMessageID: string[];
  contentHash: [text: string, hash: string][];
}

test('derived ids and lanes match the vectors, because stored data depends on them', () => {
  const ids = fixture('server/ids.json') as Ids;
  for (const [one, other, conversation] of ids.pair) expect(pairConversation(one, other)).toBe(conversation);
  for (const [creator, clientMsgID, groupID] of ids.group) expect(groupIdOf(creator, clientMsgID)).toBe(groupID);
  for (const [text, lanes, lane] of ids.lane) {
    expect([laneOf(text, lanes), inboxLaneOf(text, lanes)]).toEqual([lane, lane]);
  }
  for (const [lane, position, id] of ids.messageID) {
    expect(messageIdOf(lane, position)).toBe(id);
    expect(placeOf(id)).toEqual({ lane, position });
  }
  for (const text of ids.notMessageID) expect(placeOf(text)).toBeUndefined();
  for (const [text, hash] of ids.contentHash) expect(contentHash(text)).toBe(hash);
});
