import { describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateFor, signToken, eventually } from '@huizhi/dev-env';
import { encodeBase64Line, encodeHzFrame, encodeJsonLine, HZ } from '@huizhi/protocol';
import { wireCodecs, WebSocketTestClient, type Frame, type TestClient } from './testing/client.js';
import { works } from './testing/expect.js';
import { receiptBlindly } from './testing/receipts.js';
import { GatewayFixture, SECRET, type Mode, type ModeClient } from './testing/gateway-fixture.js';

/** Behaviour that all modes share, and details of each. Other details of WebSockets are in web-socket.it.test.ts. */

const MODES: Mode[] = ['JSON lines', 'base64 lines', 'HZ frames', 'WebSocket'];

const fixture = GatewayFixture.forEachTest();

const login = async (mode: Mode, user: string, more: Frame = {}): Promise<ModeClient> =>
  fixture.loginOn(await fixture.connectAs(mode), user, more);
const closed = async (client: ModeClient, name: string): Promise<void> => {
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name });
  await client.closed();
  if (client instanceof WebSocketTestClient) expect(client.reason).toBe(name);
};
const message = (clientMsgID: string, content: Frame): Frame => ({
  ...{ messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: 'bob', clientMsgID },
  content,
});
const loginText = async (user = 'alice'): Promise<string> =>
  JSON.stringify({ messageType: 'login', fromUserID: user, versionCode: 2, token: await signToken(SECRET, user) });

describe.each(MODES)('%s', (mode) => {
  test('a client logs in, sends, catches up, receives live entries, receipts, sends heartbeats and gets a close frame', async () => {
    for (const text of ['回执 😀', 'two']) fixture.offline.put('alice', text);
    const alice = await login(mode, 'alice');
    await alice.frame({ inboxSeq: 2 });
    fixture.offline.deliver('alice', 'live');
    expect(await alice.frame({ inboxSeq: 3 })).toMatchObject({ content: { text: 'live' } });
    expect(alice.lines.map((line) => (Array.isArray(line) ? line.length : 0))).toEqual([0, 2, 0]);
    expect(alice.frames[1]).toMatchObject({ content: { text: '回执 😀' } });

    alice.send({ messageType: 'receipt', upTo: 3 });
    await alice.frame({ messageType: 'receiptConfirm', inboxSeq: 3 });
    alice.send(message('m1', { text: '你好 😀' }), message('m2', { text: 'x'.repeat(40_000) }));
    expect(await alice.frame({ clientMsgID: 'm1' })).toMatchObject({ messageType: 'normalReceipt', seq: 1 });
    expect(await alice.frame({ clientMsgID: 'm2' })).toMatchObject({ messageType: 'normalReceipt', seq: 2 });
    expect(fixture.message.seen[0]?.body).toMatchObject({ content: { text: '你好 😀' } });
    await works(alice);

    fixture.offline.kick('alice', 'phone');
    await closed(alice, 'kicked');
    if (alice instanceof WebSocketTestClient) expect(alice.code).toBe(4500);
  });

  test('version 1 gets single frames', async () => {
    for (const text of ['one', 'two']) fixture.offline.put('alice', text);
    const alice = await login(mode, 'alice', { versionCode: 1 });
    await alice.frame({ inboxSeq: 2 });
    expect(alice.lines.some(Array.isArray)).toBe(false);
  });

  test('the gateway refuses frames before the login with a reason', async () => {
    const client = await fixture.connectAs(mode);
    client.send({ beatID: '1' });
    expect(await client.frame({ messageType: 'loginReceipt' })).toMatchObject({ name: 'loginRequired' });
    await closed(client, 'loginFailed');
  });

  test('the gateway processes frames after the login when they arrive while it is pending', async () => {
    const client = await fixture.connectAs(mode);
    client.send(JSON.parse(await loginText()) as Frame, { beatID: 'early' });
    await client.frame({ beatID: 'early' });
    expect(client.frames.map(({ messageType, beatID }) => messageType ?? beatID)).toEqual(['loginReceipt', 'early']);
  });

  test('the gateway reads at most 16 KiB before the login', async () => {
    const client = await fixture.connectAs(mode);
    client.send({ messageType: 'login', token: 'x'.repeat(17_000) });
    expect(await client.frame({ messageType: 'error' })).toMatchObject({ name: 'frameTooLarge' });
    await closed(client, 'frameTooLarge');
    const chatty = await fixture.connectAs(mode);
    fixture.offline.answersOpen = false;
    chatty.send(JSON.parse(await loginText()) as Frame, ...Array.from({ length: 1_200 }, () => ({ beatID: '1' })));
    await closed(chatty, 'frameTooLarge');
  });

  test('the gateway accepts a frame of 64 KiB and refuses a larger one', async () => {
    const alice = await login(mode, 'alice');
    const around = JSON.stringify(message('m1', { text: '' })).length;
    alice.send(message('m1', { text: 'x'.repeat(65_536 - around) }));
    expect(await alice.frame({ clientMsgID: 'm1' })).toMatchObject({ messageType: 'normalReceipt' });
    alice.send(message('m2', { text: 'x'.repeat(65_537 - around) }));
    expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name: 'frameTooLarge' });
    await closed(alice, 'frameTooLarge');
  });

  test('the gateway refuses a message with invalid content permanently and keeps the connection open', async () => {
    const alice = await login(mode, 'alice');
    alice.send(message('p1', { text: '\0' }));
    expect(await alice.frame({ messageType: 'invalidReceipt' })).toMatchObject({ name: 'badText', clientMsgID: 'p1' });
    await works(alice);
  });

  test('the gateway closes a session that stops reading, with a bounded buffer', async () => {
    await fixture.restart({ HZ_WRITE_STALL: '1s', HZ_REDELIVER_AFTER: '1h', HZ_WINDOW: '10000' });
    for (let i = 0; i < 600; i++) fixture.offline.put('alice', 'x'.repeat(30_000));
    const slow = await fixture.connectAs(mode);
    if (slow instanceof WebSocketTestClient) slow.webSocket.pause();
    else slow.socket.pause();
    slow.send(JSON.parse(await loginText()) as Frame);
    const ended = receiptBlindly(slow);
    await eventually('the end of the session', () =>
      fixture.offline.closes.some(({ user }) => user === 'alice'),
    ).finally(ended);
    expect(fixture.log.closesOf('alice')).toEqual(['slowConsumer']);
    const { from } = fixture.offline.fetches.filter(({ user }) => user === 'alice').at(-1) ?? { from: Infinity };
    expect(from).toBeLessThan(500);
  });
});

test('the gateway accepts every mode over TLS on one port', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hz-modes-cert-'));
  const { certFile, keyFile, ca } = await certificateFor(folder);
  await fixture.restart({ HZ_TLS: 'on', HZ_TLS_CERT_FILE: certFile, HZ_TLS_KEY_FILE: keyFile }, { ca });
  fixture.offline.put('alice', 'waited');
  for (const [i, mode] of MODES.entries()) {
    const client = await login(mode, 'alice', { deviceID: `device-${i}` });
    await client.frame({ inboxSeq: 1 });
    await works(client);
  }
  rmSync(folder, { recursive: true });
});

const ENCODED: [Exclude<Mode, 'WebSocket'>, (json: string) => Uint8Array][] = [
  ['JSON lines', (json) => Buffer.from(encodeJsonLine(json))],
  ['base64 lines', (json) => Buffer.from(encodeBase64Line(json))],
  ['HZ frames', (json) => encodeHzFrame(json)],
];

describe.each(ENCODED)('%s, bytes', (mode, encode) => {
  const connect = async (): Promise<TestClient> => (await fixture.connectAs(mode)) as TestClient;

  test('the gateway reads a login that is split at any byte', async () => {
    await fixture.restart({ HZ_LOGIN_ATTEMPTS: '1000' });
    const bytes = encode(await loginText());
    for (let at = 1; at < bytes.length; at += at < 16 ? 1 : 13) {
      const client = await connect();
      client.raw(bytes.subarray(0, at));
      await new Promise((resolve) => setImmediate(resolve));
      client.raw(bytes.subarray(at));
      await client.frame({ messageType: 'loginReceipt', code: 0 });
      client.destroy();
    }
  });

  test('the gateway closes a session when a frame is not completed in time', async () => {
    await fixture.restart({ HZ_FRAME_DEADLINE: '400ms' });
    const alice = (await login(mode, 'alice')) as TestClient;
    const bytes = encode('{"beatID":"1"}');
    alice.raw(bytes.subarray(0, -9));
    let at = bytes.length - 9;
    const loris = setInterval(() => at < bytes.length - 1 && alice.raw(bytes.subarray(at, ++at)), 150);
    await closed(alice, 'frameTimeout').finally(() => clearInterval(loris));
  });

  test('the gateway refuses an array from a client', async () => {
    const bystander = await login(mode, 'bob');
    const alice = (await login(mode, 'alice')) as TestClient;
    // The base64 of a shorter array would be read as a bare heartbeat.
    alice.raw(encode(`[{"beatID":"${'1'.repeat(50)}"}]`));
    expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name: 'badFrame' });
    await closed(alice, 'badFrame');
    await works(bystander);
  });
});

const header = (...fields: [at: number, byte: number][]): Uint8Array => {
  const bytes = Uint8Array.from(encodeHzFrame('{"beatID":"1"}'));
  for (const [at, byte] of fields) bytes[at] = byte;
  return bytes;
};

test.each([
  ['another version', header([HZ.versionAt, 2]), 'badFrame'],
  ['an unknown type', header([HZ.typeAt, 3]), 'badFrame'],
  ['a batch', header([HZ.typeAt, HZ.batch]), 'badFrame'],
  ['an unknown flag', header([HZ.flagsAt + 1, 1]), 'badFrame'],
  ['no body', header([HZ.bodyLengthAt + 3, 0]), 'badFrame'],
  ['a length of 4 GiB', header([HZ.bodyLengthAt, 0xff]), 'frameTooLarge'],
  ['a length that is too short', header([HZ.bodyLengthAt + 3, 3]), 'badFrame'],
  ['a JSON line', Buffer.from('{"beatID":"1"}\n'), 'badFrame'],
])('binary: %s ends the connection and no other', async (_, bytes, name) => {
  const bystander = await login('HZ frames', 'bob');
  const alice = (await login('HZ frames', 'alice')) as TestClient;
  alice.raw(bytes);
  expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name });
  await closed(alice, name);
  await works(bystander);
});

test('base64: a bare heartbeat gets the same answer as any heartbeat, also when it came with the login', async () => {
  const client = (await fixture.connectAs('base64 lines')) as TestClient;
  client.raw(`${encodeBase64Line(await loginText())}beatID\n`);
  const answer = { inboxSeq: 0, serverTime: expect.any(String) as unknown };
  expect(await client.frame({ beatID: 'beatID' })).toEqual({ beatID: 'beatID', ...answer });
  // The published client compares the answer with the sent word, in either encoding.
  client.raw('YmVhdElECg==\r\n');
  client.raw('beat-2\n');
  expect(await client.frame({ beatID: 'beat-2' })).toEqual({ beatID: 'beat-2', ...answer });
  expect(client.frames.slice(1)).toMatchObject([{ beatID: 'beatID' }, { beatID: 'beatID' }, { beatID: 'beat-2' }]);
});

test.each(['beatID\n', 'YmVhdElECg==\n'])(
  'base64: a bare heartbeat before the login is refused (%j)',
  async (bytes) => {
    const client = (await fixture.connectAs('base64 lines')) as TestClient;
    client.raw(bytes);
    expect(await client.frame({ messageType: 'loginReceipt' })).toMatchObject({ name: 'loginRequired' });
    await closed(client, 'loginFailed');
  },
);

test('base64: bare heartbeats count against the rate', async () => {
  await fixture.restart({ HZ_QUIET_FRAMES_PER_SECOND: '10', HZ_RATE_GRACE: '200ms' });
  const alice = (await login('base64 lines', 'alice')) as TestClient;
  alice.raw('beatID\n'.repeat(30));
  await closed(alice, 'rateLimited');
});

test.each([
  ['not base64 after its beginning', 'eyJhIjox*\n'],
  ['base64url', 'eyJhIjoi_-8ifQ==\n'],
  ['incomplete', 'eyJhI\n'],
  ['split by a space', 'eyJhIjox fQ==\n'],
  ['plain JSON', '{"beatID":"1"}\n'],
  ['too long for a heartbeat', `${'b'.repeat(65)}\n`],
])('base64: a line that is %s ends the connection', async (_, bytes) => {
  const alice = (await login('base64 lines', 'alice')) as TestClient;
  alice.raw(bytes);
  expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name: 'badFrame' });
  await closed(alice, 'badFrame');
});

test('base64: the gateway refuses a line without an end once it is too long for a frame', async () => {
  const alice = (await login('base64 lines', 'alice')) as TestClient;
  alice.raw(`eyJ${'A'.repeat(90_000)}`);
  await closed(alice, 'frameTooLarge');
});

test('the gateway ignores empty lines up to a limit', async () => {
  for (const mode of ['JSON lines', 'base64 lines'] as const) {
    const alice = (await login(mode, 'alice')) as TestClient;
    alice.raw('\n\r\n'.repeat(400));
    await works(alice);
    alice.raw('\n'.repeat(1_001));
    await closed(alice, 'badFrame');
  }
});

test.each([
  ['a line of text', 'hello\n'],
  ['a prefix of another HTTP method', 'POSTING\n'],
  ['a header of the PROXY protocol', 'PROXY TCP4 203.0.113.7 127.0.0.1 50000 7000\r\n'],
  ['almost a binary frame', 'HX'],
  ['almost an upgrade', 'GETTING\n'],
  ['almost base64 of an object', 'eBay\n'],
  ['an empty line', '\n'],
  ['zeros', '\0\0\0\0'],
])('%s is refused as the beginning of a connection, at once or byte by byte', async (_, bytes) => {
  for (const pieces of [[bytes], [...bytes]]) {
    const client = (await fixture.connectAs('JSON lines')) as TestClient;
    for (const piece of pieces) {
      client.raw(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.frame({ messageType: 'error' })).toMatchObject({ name: 'badFrame' });
    await closed(client, 'badFrame');
  }
});

test('a frame of another mode is refused because the mode is decided once', async () => {
  const alice = (await login('JSON lines', 'alice')) as TestClient;
  alice.raw(wireCodecs['base64 lines'].encode('{"beatID":"1"}'));
  await closed(alice, 'badFrame');
});
