import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { signToken, eventually } from '@huizhi/dev-env';
import { WebSocketTestClient, type Frame } from './testing/client.js';
import { Clock } from './testing/clock.js';
import { passes, works } from './testing/expect.js';
import { GatewayFixture, SECRET } from './testing/gateway-fixture.js';

/** WebSockets: upgrades, origins and what other modes do not have. Shared behaviour is in modes.it.test.ts. */

const fixture = GatewayFixture.forEachTest();

const open = (options?: Parameters<typeof WebSocketTestClient.connect>[1]): Promise<WebSocketTestClient> =>
  WebSocketTestClient.connect(fixture.gateway.port, options);
const login = async (user: string): Promise<WebSocketTestClient> => fixture.loginOn(await open(), user);
const closed = async (client: WebSocketTestClient, name: string, code: number): Promise<void> => {
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name, code });
  await client.closed();
  expect([client.code, client.reason]).toEqual([code, name]);
};
const hello = async (): Promise<Frame> => ({
  ...{ messageType: 'login', fromUserID: 'alice', versionCode: 2, deviceID: 'phone' },
  token: await signToken(SECRET, 'alice'),
});

/** A client that sends and receives plain bytes. */
class RawClient {
  text = '';
  bytes = Buffer.alloc(0);
  ended = false;

  constructor(readonly socket: Socket) {
    fixture.owns(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => (this.ended = true));
    socket.on('data', (bytes) => {
      this.bytes = Buffer.concat([this.bytes, bytes]);
      this.text += bytes.toString('latin1');
    });
  }

  static async connect(): Promise<RawClient> {
    const socket = connect(fixture.gateway.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    return new RawClient(socket);
  }

  /** Sends the upgrade request and the bytes after it. */
  async upgrade(...behind: Uint8Array[]): Promise<void> {
    this.socket.write(Buffer.concat([Buffer.from(request()), ...behind]));
    await eventually('the upgrade', () => this.text.includes('\r\n\r\n'));
  }
}

const request = (line = 'GET / HTTP/1.1', ...headers: string[]): string =>
  [
    line,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
    '\r\n',
  ].join('\r\n');

const TEXT = 1;
const PING = 9;

/** Encodes a client frame of RFC 6455 with a mask of zeros. */
function wsFrame(
  opcode: number,
  payload: string | Uint8Array,
  { fin = true, claims }: { fin?: boolean; claims?: number } = {},
) {
  const body = Buffer.from(payload);
  const length = claims ?? body.length;
  const head = Buffer.alloc(length < 126 ? 2 : 4);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (length < 126 ? length : 126);
  if (length >= 126) head.writeUInt16BE(length, 2);
  return Buffer.concat([head, Buffer.alloc(4), body]);
}

const loggedIn = async (...behind: Uint8Array[]): Promise<RawClient> => {
  const client = await RawClient.connect();
  await client.upgrade(wsFrame(TEXT, JSON.stringify(await hello())), ...behind);
  await eventually('the login', () => client.text.includes('loginReceipt'));
  return client;
};

/** Sends a ping and waits for its pong. */
const pinged = async (client: RawClient, payload: string): Promise<void> => {
  client.socket.write(wsFrame(PING, payload));
  await eventually('the pong', () => client.text.includes(`\x8a${String.fromCharCode(payload.length)}${payload}`));
};

/** The clock is so slow that practically only the test advances it. */
const restartWithClock = async (): Promise<Clock> => {
  const clock = new Clock(100);
  await fixture.restart({ HZ_LOGIN_DEADLINE: '1s' }, clock);
  return clock;
};

test('a WebSocket opens at / and /ws, with the subprotocol if it is offered, without compression', async () => {
  for (const path of ['/', '/ws', '/ws?from=here']) {
    const client = await open({ path, protocols: ['other', 'huizhi'] });
    expect([client.webSocket.protocol, client.webSocket.extensions]).toEqual(['huizhi', '']);
    client.destroy();
  }
  const plain = await open();
  expect(plain.webSocket.protocol).toBe('');
  plain.destroy();
});

test.each([
  ['another path', 'GET /chat HTTP/1.1', [], 404],
  ['an outdated version', 'GET / HTTP/1.1', ['Sec-WebSocket-Version: 7'], 400],
  ['headers of more than 16 KiB', 'GET / HTTP/1.1', [`Cookie: ${'x'.repeat(17_000)}`], 431],
  ['an invalid header', 'GET / HTTP/1.1', ['nonsense'], 400],
  ['a page of another origin', 'GET / HTTP/1.1', ['Origin: https://evil.example'], 403],
  ['a page with an opaque origin', 'GET / HTTP/1.1', ['Origin: null'], 403],
])('the gateway refuses %s with a status and closes', async (_, line, headers, status) => {
  const client = await RawClient.connect();
  const text = headers[0]?.startsWith('Sec-WebSocket-Version')
    ? request(line).replace('Version: 13', 'Version: 7')
    : request(line, ...headers);
  client.socket.write(text);
  await eventually('the end', () => client.ended);
  expect(client.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});

test('the gateway asks for an upgrade when a request has none', async () => {
  for (const [path, status] of [
    ['/', 426],
    ['/index.html', 404],
  ] as const) {
    const response = await fetch(`http://127.0.0.1:${fixture.gateway.port}${path}`);
    expect(response.status).toBe(status);
    expect(response.headers.get('connection')).toContain('close');
    expect((await response.text()).length).toBeLessThan(100);
  }
});

test('the gateway allows pages of the same host, or only the listed ones', async () => {
  const { port } = fixture.gateway;
  await works(await fixture.loginOn(await open({ origin: `http://localhost:${port}` }), 'alice'));
  await expect(open({ origin: `http://localhost:${port + 1}` })).rejects.toThrow('403');
  await fixture.restart({ HZ_ALLOWED_ORIGINS: 'https://chat.example,http://localhost:8080' });
  await works(await fixture.loginOn(await open({ origin: 'https://chat.example' }), 'alice'));
  await expect(open({ origin: 'https://chat.example.evil.example' })).rejects.toThrow('403');
  await expect(open({ origin: `http://localhost:${fixture.gateway.port}` })).rejects.toThrow('403');
});

test('an upgrade may arrive byte by byte, and be followed by the login at once', async () => {
  const slow = await RawClient.connect();
  for (const byte of Buffer.from(request())) {
    slow.socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('the upgrade', () => slow.text.startsWith('HTTP/1.1 101 '));

  const quick = await RawClient.connect();
  await quick.upgrade(wsFrame(TEXT, JSON.stringify(await hello())), wsFrame(TEXT, '{"beatID":"early"}'));
  await eventually('the answers', () => quick.text.includes('"beatID":"early"'));
  expect(quick.text).toContain('"loginReceipt","code":0');
});

test('the gateway closes an upgrade that does not end although bytes keep coming', async () => {
  await fixture.restart({ HZ_LOGIN_DEADLINE: '500ms' });
  const client = await RawClient.connect();
  client.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n');
  const loris = setInterval(() => client.socket.write('X: y\r\n'), 50);
  await eventually('the end', () => client.ended).finally(() => clearInterval(loris));
  expect(client.text).toMatch(/^HTTP\/1.1 408 /);

  const silent = await open();
  await closed(silent, 'loginTimeout', 4009);
});

test('the gateway closes a client that sends a binary message or an invalid frame, and no other', async () => {
  const bystander = await login('bob');
  for (const bad of [Buffer.from('{"beatID":"1"}'), 'hello', '', '[{"beatID":"1"}]', '{"a":1}\n{"b":2}']) {
    const client = await login('alice');
    client.webSocket.send(bad);
    expect(await client.frame({ messageType: 'error' })).toMatchObject({ name: 'badFrame' });
    await closed(client, 'badFrame', 4503);
  }
  await works(bystander);
});

test.each([
  ['an unmasked frame', Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 'badFrame', 4503],
  ['a reserved bit', Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), 'badFrame', 4503],
  ['an unknown opcode', wsFrame(3, ''), 'badFrame', 4503],
  ['a ping of more than 125 bytes', wsFrame(PING, 'x'.repeat(126)), 'badFrame', 4503],
  ['a continuation without a beginning', wsFrame(0, '{}'), 'badFrame', 4503],
  ['text that is not UTF-8', wsFrame(TEXT, Buffer.from([0x7b, 0xff, 0x7d])), 'badFrame', 4503],
  [
    'more than 64 fragments',
    Buffer.concat([
      wsFrame(TEXT, '{', { fin: false }),
      ...Array.from({ length: 64 }, () => wsFrame(0, '', { fin: false })),
    ]),
    'badFrame',
    4503,
  ],
  [
    'a length of more than 64 KiB',
    Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]),
    'frameTooLarge',
    4504,
  ],
  ['a length of 2^62', Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 'frameTooLarge', 4504],
])('a client that sends %s gets a close frame and a close code', async (_, bytes, name, code) => {
  const client = await loggedIn();
  client.socket.write(bytes);
  await eventually('the end', () => client.ended);
  expect(client.text).toContain(`"messageType":"error","code":`);
  expect(client.text).toContain(`"messageType":"close","code":${code},"name":"${name}"`);
  // The last WebSocket frame: FIN and close, length, code, name.
  const last = Buffer.concat([Buffer.from([0x88, 2 + name.length, code >> 8, code & 0xff]), Buffer.from(name)]);
  expect(client.bytes.subarray(-last.length)).toEqual(last);
});

test('the gateway reads a fragmented message with a ping between the fragments', async () => {
  const client = await RawClient.connect();
  await client.upgrade(wsFrame(TEXT, JSON.stringify(await hello())));
  const text = Buffer.from('{"beatID":"回执"}');
  client.socket.write(
    Buffer.concat([
      wsFrame(TEXT, text.subarray(0, 12), { fin: false }),
      wsFrame(PING, 'are you there?'),
      wsFrame(0, text.subarray(12)),
    ]),
  );
  await eventually('both answers', () => client.bytes.includes('"beatID":"回执"'));
  expect(client.bytes.includes(Buffer.concat([Buffer.from([0x8a, 14]), Buffer.from('are you there?')]))).toBe(true);
});

test('the gateway closes a session when a message is not completed in time', async () => {
  await fixture.restart({ HZ_FRAME_DEADLINE: '400ms' });
  const client = await loggedIn();
  client.socket.write(wsFrame(TEXT, '{', { claims: 100 }));
  const loris = setInterval(() => client.socket.write(' '), 150);
  await eventually('the end', () => client.ended).finally(() => clearInterval(loris));
  expect(client.text).toContain('"name":"frameTimeout"');
});

const [BEGUN, REST] = ['{"beatID":', '"pieces"}'] as const;
const FRAGMENT = wsFrame(TEXT, BEGUN, { fin: false });
const WHOLE = wsFrame(TEXT, '{"beatID":"whole"}');

test.each([
  ['alone', [FRAGMENT]],
  ['after a complete message, in one chunk', [WHOLE, FRAGMENT]],
])('the gateway closes a session when a message is not completed in time despite pings: %s', async (_, bytes) => {
  const clock = await restartWithClock();
  const client = await loggedIn();
  client.socket.write(Buffer.concat(bytes));
  for (const payload of ['one', 'two', 'three']) {
    await pinged(client, payload);
    await passes(3_000, fixture, clock);
  }
  await pinged(client, 'in time');
  clock.turn(1_100);
  await eventually('the end', () => client.ended);
  expect(client.text).toContain('"name":"frameTimeout"');
});

test.each([
  ['a message', WHOLE],
  ['a ping', wsFrame(PING, 'whole')],
  ['the login', undefined],
])('the gateway closes a session when a frame that began in one chunk with %s is not completed', async (_, before) => {
  const clock = await restartWithClock();
  const client = before ? await loggedIn() : await loggedIn(WHOLE.subarray(0, 5));
  if (before) client.socket.write(Buffer.concat([before, WHOLE.subarray(0, 5)]));
  await eventually('the answer to the complete frame', () => !before || client.text.includes('whole'));
  await passes(9_500, fixture, clock);
  expect(fixture.log.closesOf('alice')).toEqual([]);
  clock.turn(600);
  await eventually('the end', () => client.ended);
  expect(client.text).toContain('"name":"frameTimeout"');
});

test('the frame deadline counts per message, with pings between its fragments', async () => {
  const clock = await restartWithClock();
  const client = await loggedIn();
  client.socket.write(FRAGMENT);
  for (const payload of ['one', 'two', 'three']) {
    await pinged(client, payload);
    await passes(9_000, fixture, clock);
    client.text = '';
    // The end of one message and the beginning of the next.
    client.socket.write(Buffer.concat([wsFrame(0, REST), FRAGMENT]));
    await eventually('the answer', () => client.text.includes('"beatID":"pieces"'));
  }
  expect(client.text).not.toContain('close');
});

test('the gateway counts pings as frames and as a sign of life', async () => {
  const clock = new Clock();
  await fixture.restart({ HZ_FRAMES_PER_SECOND: '10', HZ_HEARTBEAT: '20s', HZ_RATE_GRACE: '300ms' }, clock);
  const flooding = await login('alice');
  for (let i = 0; i < 60; i++) flooding.webSocket.ping();
  await closed(flooding, 'rateLimited', 4006);
  const pinging = await login('bob');
  const silent = await fixture.loginOn(await open({ autoPong: false }), 'carol');
  clock.turn(40_000);
  const pong = once(pinging.webSocket, 'pong');
  pinging.webSocket.ping();
  await pong;
  clock.turn(30_000);
  await closed(silent, 'heartbeatMissed', 4001);
  await works(pinging);
});

test('the gateway answers a close frame of the client and ends its session', async () => {
  const client = await login('alice');
  client.webSocket.close(1000, 'bye');
  await client.closed();
  expect(client.code).toBe(1000);
  await eventually('the end of the session', () => fixture.offline.closes.some(({ user }) => user === 'alice'));
});

test('the gateway closes WebSockets during a drain, also in the middle of an upgrade', async () => {
  await fixture.restart({ HZ_DRAIN_SPREAD: '0ms' });
  const client = await login('alice');
  const upgrading = await RawClient.connect();
  upgrading.socket.write('GET / HTTP/1.1\r\n');
  await works(client);
  const stopped = fixture.gateway.stop();
  await closed(client, 'drain', 4000);
  await eventually('the end', () => upgrading.ended);
  expect(upgrading.text).toMatch(/^HTTP\/1.1 503 /);
  await stopped;
});
