import { codecs, type Codec } from './codec-target.js';
import type { Random } from './random.js';
import { clientFrame, webSocketBytes } from './web-socket-bytes.js';

/** The mode of a hostile connection, with its login and its heartbeat. */
export interface Opening {
  /** The name of the protocol mode. */
  readonly speech: string;
  /** Sent first, unchanged. It logs the connection in. */
  readonly login: Uint8Array | undefined;
  /** Transforms the input before it is sent. */
  readonly wrap: (input: Uint8Array) => Uint8Array;
  /** A valid heartbeat that tests whether the server still answers, and a text in the answer to it. */
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

/** Two of three connections log in first, in a random mode; the others start with the input itself. */
export function opening(random: Random, user: string, token: string): Opening {
  const beatID = `there${100_000 + random.below(900_000)}`;
  const login = { messageType: 'login', fromUserID: user, versionCode: 1 + random.below(2), token };
  if (random.oneIn(4)) return ofWebSocket(random, JSON.stringify(login), beatID);
  const codec = random.of(codecs.filter(({ side }) => side === 'client'));
  // Ends a line that the input may have begun. Binary frames have no lines.
  const end = Buffer.from(codec.name === 'hz' ? '' : '\n');
  return {
    speech: codec.name,
    login: random.oneIn(3) ? undefined : bytes(codec, JSON.stringify(login)),
    wrap: (input) => input,
    beat: { bytes: Buffer.concat([end, bytes(codec, JSON.stringify({ beatID }))]), answer: mark(codec, beatID) },
  };
}

/**
 * A text in the answer. 24 bytes of JSON become exactly 32 base64 characters; a binary frame begins with its length, so
 * only the id is compared.
 */
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
