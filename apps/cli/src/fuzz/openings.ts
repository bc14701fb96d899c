import { codecs, type Codec } from './codec-target.js';
import type { Random } from './random.js';

/** How a hostile connection speaks, and what it begins and ends with. */
export interface Opening {
  /** Sent first, as it is; with it the connection is logged in. */
  readonly login: Uint8Array | undefined;
  /** What becomes of the input before it is sent. */
  readonly wrap: (input: Uint8Array) => Uint8Array;
  /** A well-formed heartbeat, to see whether anybody still listens, and what is in the answer to it. */
  readonly beat: { readonly bytes: Uint8Array; readonly answer: string };
}

const MASK = Uint8Array.of(1, 2, 3, 4);
/** Continuation, text, binary, close, ping, pong, and one that does not exist; text most often. */
const OPCODES = [1, 1, 1, 1, 0, 2, 8, 9, 10, 11];
const UPGRADE = [
  'GET /ws HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
];

/** Two of three are logged in first, in one of the ways of speaking; the others begin with the input itself. */
export function opening(random: Random, user: string, token: string): Opening {
  const beatID = `there${100_000 + random.below(900_000)}`;
  const login = { messageType: 'login', fromUserID: user, versionCode: 1 + random.below(2), token };
  if (random.oneIn(4)) return ofWebSocket(random, JSON.stringify(login), beatID);
  const codec = random.of(codecs.filter(({ side }) => side === 'client'));
  // In case a line has begun; binary frames have none.
  const end = Buffer.from(codec.name === 'hz' ? '' : '\n');
  return {
    login: random.oneIn(3) ? undefined : bytes(codec, JSON.stringify(login)),
    wrap: (input) => input,
    beat: { bytes: Buffer.concat([end, bytes(codec, JSON.stringify({ beatID }))]), answer: mark(codec, beatID) },
  };
}

/** 24 bytes of JSON, which are 32 characters of base64 whatever follows; a binary frame begins with how long it is. */
function mark(codec: Codec, beatID: string): string {
  return codec.name === 'hz' ? beatID : bytes(codec, `{"beatID":"${beatID}",`).toString('latin1').trimEnd();
}

/** The input comes in messages of all kinds, or as it is: where a message should begin. */
function ofWebSocket(random: Random, login: string, beatID: string): Opening {
  const key = Buffer.from(random.bytes(16)).toString('base64');
  const upgrade = Buffer.from([...UPGRADE, `Sec-WebSocket-Key: ${key}`, '', ''].join('\r\n'));
  return {
    login: random.oneIn(6) ? upgrade : Buffer.concat([upgrade, message(1, Buffer.from(login))]),
    wrap: random.oneIn(4) ? (input) => input : (input) => message(random.of(OPCODES), input),
    beat: { bytes: message(1, Buffer.from(JSON.stringify({ beatID }))), answer: beatID },
  };
}

/** A whole, masked WebSocket message of less than 64 KiB. */
function message(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
  const masked = payload.map((byte, at) => byte ^ (MASK[at % 4] as number));
  return Buffer.concat([Uint8Array.from([0x80 | opcode, ...size]), MASK, masked]);
}

const bytes = (codec: Codec, json: string): Buffer => Buffer.from(codec.encode(json));
