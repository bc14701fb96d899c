import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { signToken, eventually } from '@huizhi/dev-env';
import type { CloseName } from '@huizhi/protocol';
import { silentLogger } from '@huizhi/runtime';
import { TrustedProxies } from './connection/trusted-proxies.js';
import { Upgrades } from './connection/upgrades.js';
import { WebSocketCodec } from './connection/web-socket.js';
import { GatewayFixture, SECRET } from './testing/gateway-fixture.js';

/** The golden vectors of WebSockets, sent to a gateway in one chunk and byte by byte. */

interface Handshake {
  name: string;
  request: string;
  status: number;
  accept?: string;
  protocol?: string | null;
}
interface Row {
  name: string;
  from?: 'server';
  hex: string;
  /** A string is the error name of a refused message. */
  frames: ({ beatID: string } | string)[];
  answer?: string;
  error?: string;
}
interface Fixture {
  handshakes: Handshake[];
  rows: Row[];
  encodes: { json: string; hex: string }[];
  closes: { code: number; name: CloseName; hex: string }[];
}

const file = new URL('../../../libs/protocol/fixtures/web-socket.json', import.meta.url);
const { handshakes, rows, encodes, closes } = JSON.parse(readFileSync(file, 'utf8')) as Fixture;
const [upgrade] = handshakes as [Handshake];

const TEXT = 0x81;
const CLOSE = 0x88;

const fixture = GatewayFixture.forAllTests();
let users = 0;

type Heard = Record<string, unknown>;

interface ServerFrame {
  first: number;
  whole: Buffer;
  payload: Buffer;
}

/** Splits server output into frames without a mask, shorter than 64 KiB. */
function* framesIn(bytes: Buffer): Iterable<ServerFrame> {
  for (let at = 0; at + 2 <= bytes.length;) {
    const short = bytes.readUInt8(at + 1);
    const start = at + (short === 126 ? 4 : 2);
    const end = start + (short === 126 ? bytes.readUInt16BE(at + 2) : short);
    if (end > bytes.length) return;
    yield { first: bytes.readUInt8(at), whole: bytes.subarray(at, end), payload: bytes.subarray(start, end) };
    at = end;
  }
}

/** Encodes a client frame with a mask of zeros. */
function clientText(value: object): Buffer {
  const payload = Buffer.from(JSON.stringify(value));
  const isShort = payload.length < 126;
  const head = Buffer.alloc(isShort ? 2 : 4);
  head.writeUInt16BE((TEXT << 8) | 0x80 | (isShort ? payload.length : 126));
  if (!isShort) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** A client that sends and receives plain bytes. */
class Peer {
  private bytes: Buffer = Buffer.alloc(0);
  ended = false;

  private constructor(private readonly socket = fixture.owns(connect(fixture.gateway.port, '127.0.0.1'))) {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => (this.ended = true));
    socket.on('data', (bytes) => (this.bytes = Buffer.concat([this.bytes, bytes])));
  }

  /** Sends a request and returns the HTTP answer. */
  static async asks(request: string): Promise<[peer: Peer, answer: string]> {
    const peer = new Peer();
    peer.socket.write(request);
    await eventually('the answer', () => peer.bytes.includes('\r\n\r\n'));
    const end = peer.bytes.indexOf('\r\n\r\n') + 4;
    const answer = peer.bytes.subarray(0, end).toString('latin1');
    peer.bytes = peer.bytes.subarray(end);
    return [peer, answer];
  }

  /** Logs in as a new user. */
  static async loggedIn(fromUserID = `user${users++}`): Promise<Peer> {
    const [peer] = await Peer.asks(upgrade.request);
    const token = await signToken(SECRET, fromUserID);
    peer.socket.write(clientText({ messageType: 'login', fromUserID, versionCode: 2, deviceID: 'phone', token }));
    await eventually('the login', () => peer.heard.some(({ messageType }) => messageType === 'loginReceipt'));
    return peer;
  }

  /** Sends the bytes and waits until the gateway has read all of them. */
  async sends(hex: string, { bytewise = false, mustEnd = false } = {}): Promise<void> {
    const bytes = Buffer.from(hex, 'hex');
    for (const piece of bytewise ? Array.from(bytes, (byte) => Buffer.of(byte)) : [bytes]) {
      this.socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!mustEnd) this.socket.write(clientText({ beatID: 'last' }));
    await eventually('the end', () => (mustEnd ? this.ended : this.beats.at(-1) === 'last'));
  }

  get heard(): Heard[] {
    return this.frames
      .filter(({ first }) => first === TEXT)
      .flatMap<Heard>(({ payload }) => JSON.parse(payload.toString()) as Heard | Heard[]);
  }

  /** The heartbeats that were answered. */
  get beats(): unknown[] {
    return this.heard.filter(({ beatID }) => beatID !== undefined).map(({ beatID }) => beatID);
  }

  get frames(): ServerFrame[] {
    return [...framesIn(this.bytes)];
  }
}

const headerOf = (answer: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\\r$`, 'im').exec(answer)?.[1];

test.each(handshakes)('the gateway answers an upgrade: $name', async ({ request, status, accept, protocol }) => {
  const [, answer] = await Peer.asks(request);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(headerOf(answer, 'Sec-WebSocket-Accept')).toBe(accept);
  expect(headerOf(answer, 'Sec-WebSocket-Protocol')).toBe(protocol ?? undefined);
  expect(headerOf(answer, 'Sec-WebSocket-Extensions')).toBeUndefined();
});

test.each(rows.filter(({ from }) => from !== 'server'))(
  'the gateway reads client bytes: $name',
  async ({ hex, frames, answer = '', error }) => {
    const mustEnd = [...framesIn(Buffer.from(answer, 'hex'))].some(({ first }) => first === CLOSE);
    for (const bytewise of [false, true]) {
      const peer = await Peer.loggedIn();
      await peer.sends(hex, { bytewise, mustEnd });
      const refused = frames.filter((frame) => typeof frame === 'string');
      const beats = frames.filter((frame) => typeof frame !== 'string').map(({ beatID }) => beatID);
      expect(peer.beats.filter((beat) => beat !== 'last')).toEqual(beats);
      expect(peer.heard.filter(({ name }) => name).map(({ messageType, name }) => [messageType, name])).toEqual([
        ...refused.map((name) => ['error', name]),
        ...(error === undefined ? [] : ['error', 'close'].map((type) => [type, error])),
      ]);
      const others = peer.frames.filter(({ first }) => first !== TEXT).map(({ whole }) => whole);
      expect(Buffer.concat(others).toString('hex')).toBe(answer);
    }
  },
);

test.each(encodes)('the gateway reads an encoded message: $json', async ({ json, hex }) => {
  const peer = await Peer.loggedIn();
  await peer.sends(hex);
  expect(peer.beats[0]).toBe((JSON.parse(json) as { beatID: string }).beatID);
});

test('the gateway writes an offline batch and a live entry as in the vectors', async () => {
  const [batch, live] = ['an offline batch', 'a message that is live'].map((name) => rowNamed(name).hex);
  fixture.offline.now = () => 1_700_000_000_123;
  for (const text of ['回执 😀', 'two']) fixture.offline.put('reader', text);
  const peer = await Peer.loggedIn('reader');
  const deliveries = (): string[] =>
    peer.frames.map(({ whole }) => whole.toString('hex')).filter((hex) => hex.includes(hexOf('"inboxSeq":')));
  await eventually('the batch', () => deliveries().includes(batch as string));
  fixture.offline.deliver('reader', 'live');
  await eventually('the live entry', () => deliveries().includes(live as string));
});

const rowNamed = (name: string): Row => rows.find((row) => row.name === name) as Row;
const hexOf = (text: string): string => Buffer.from(text).toString('hex');

test.each(closes)('the codec writes a close frame with $code, $name', async ({ name, hex }) => {
  const ignore = (): void => undefined;
  const upgrades = new Upgrades({
    settings: { HZ_LOGIN_BYTES: 4_096, HZ_FRAME_BYTES: 65_536, HZ_ALLOWED_ORIGINS: '' },
    proxies: new TrustedProxies([], 'x-forwarded-for'),
    log: silentLogger,
    now: () => 0,
    isAccepting: () => true,
  });
  const codec = await new Promise<WebSocketCodec>((resolve, reject) => {
    const none = { answers: ignore, controlled: ignore, left: ignore, failed: reject };
    const events = { ...none, allowance: () => Infinity, forwarded: () => undefined };
    const made = new WebSocketCodec(4_096, upgrades, { ...events, upgraded: () => resolve(made) });
    made.decoder.push(Buffer.from(upgrade.request), () => true);
  });
  const [close, last, ...more] = framesIn(Buffer.from(codec.encodeClose('{}', name)));
  codec.end();
  expect([close?.payload.toString(), last?.whole.toString('hex'), more]).toEqual(['{}', hex, []]);
});
