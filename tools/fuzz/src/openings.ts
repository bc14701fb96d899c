import { codecs, type Codec } from './codec-target.js';
import type { Random } from './random.js';
import { clientFrame, webSocketBytes } from './web-socket-bytes.js';

/** How a hostile connection speaks, and what it begins and ends with. */
export interface Opening {
  /** The name of what it speaks. */
  readonly speech: string;
  /** Sent first, as it is; with it the connection is logged in. */
  readonly login: Uint8Array | undefined;
  /** What becomes of the input before it is sent. */
  readonly wrap: (input: Uint8Array) => Uint8Array;
  /** A well-formed heartbeat, to see whether anybody still listens, and what is in the answer to it. */
  readonly beat: { readonly bytes: Uint8Array; readonly answer: string };
}

const TEXT = 1;
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
    speech: codec.name,
    login: random.oneIn(3) ? undefined : bytes(codec, JSON.stringify(login)),
    wrap: (input) => input,
    beat: { bytes: Buffer.concat([end, bytes(codec, JSON.stringify({ beatID }))]), answer: mark(codec, beatID) },
  };
}

/** 24 bytes of JSON, which are 32 characters of base64 whatever follows; a binary frame begins with how long it is. */
function mark(codec: Codec, beatID: string): string {
  return codec.name === 'hz' ? beatID : bytes(codec, `{"beatID":"${beatID}",`).toString('latin1').trimEnd();
}

function ofWebSocket(random: Random, login: string, beatID: string): Opening {
  const text = (json: string): Buffer => clientFrame(TEXT, Buffer.from(json));
  const key = Buffer.from(random.bytes(16)).toString('base64');
  const upgrade = Buffer.from([...UPGRADE, `Sec-WebSocket-Key: ${key}`, '', ''].join('\r\n'));
  return {
    speech: 'WebSocket',
    login: random.oneIn(6) ? upgrade : Buffer.concat([upgrade, text(login)]),
    wrap: (input) => webSocketBytes(input, random),
    beat: { bytes: text(JSON.stringify({ beatID })), answer: beatID },
  };
}

const bytes = (codec: Codec, json: string): Buffer => Buffer.from(codec.encode(json));
