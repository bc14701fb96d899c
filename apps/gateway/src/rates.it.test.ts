import { connect, type Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { eventually, signToken } from '@huizhi/dev-env';
import type { Frame, TestClient } from './testing/client.js';
import { closed, works } from './testing/expect.js';
import { GatewayFixture, SECRET, type Mode, type ModeClient } from './testing/gateway-fixture.js';

/** Beyond the rates a client is read more slowly. It is closed only when frames wait for long without a break. */

const fixture = GatewayFixture.forEachTest();

const message = (clientMsgID: string): Frame => ({
  ...{ messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: 'bob', clientMsgID },
  content: { text: 'x' },
});
/** The gateway refuses this frame with an error that names the request. */
const nonsense = (requestID: string): Frame => ({ messageType: 'nonsense', requestID });
const login = async (mode: Mode, user = 'alice'): Promise<ModeClient> =>
  fixture.loginOn(await fixture.connectAs(mode), user);
const secondsSince = (begun: number): number => (performance.now() - begun) / 1_000;

describe.each<Mode>(['JSON lines', 'base64 lines', 'HZ frames', 'WebSocket'])('%s', (mode) => {
  test('a client that waits for each receipt is slowed to the rate and not closed', async () => {
    await fixture.restart({ HZ_FRAMES_PER_SECOND: '20', HZ_RATE_GRACE: '1s' });
    const alice = await login(mode);
    const begun = performance.now();
    for (let n = 0; n < 100; n++) {
      alice.send(message(`m${n}`));
      await alice.frame({ messageType: 'normalReceipt', clientMsgID: `m${n}` });
    }
    // 40 at once, then 20 per second.
    expect(secondsSince(begun)).toBeGreaterThan(2.5);
    expect(alice.all({ messageType: 'close' })).toEqual([]);
  });

  test('frames beyond the rate are answered at the rate, with receipts and heartbeats in order', async () => {
    await fixture.restart({ HZ_FRAMES_PER_SECOND: '20' });
    const bystander = await fixture.login('bob');
    const alice = await login(mode);
    const numbers = Array.from({ length: 80 }, (_, n) => String(n));
    const begun = performance.now();
    alice.send(...numbers.flatMap((n) => [nonsense(n), { messageType: 'receipt', upTo: 0 }, { beatID: n }]));
    await works(bystander);
    await alice.frame({ beatID: '79' });
    expect(secondsSince(begun)).toBeGreaterThan(1.5);
    const answers = alice.frames.slice(1).map(({ requestID, beatID }) => requestID ?? beatID);
    expect(answers.filter((one) => one !== undefined)).toEqual(numbers.flatMap((n) => [n, n]));
  });

  test('a client is closed when its frames wait without a break for the grace time, and no other is', async () => {
    await fixture.restart({ HZ_FRAMES_PER_SECOND: '10', HZ_RATE_GRACE: '500ms' });
    const bystander = await fixture.login('bob');
    const alice = await login(mode);
    alice.send(...Array.from({ length: 100 }, (_, n) => nonsense(String(n))));
    expect(await alice.frame({ messageType: 'close' })).toMatchObject({ name: 'rateLimited', reconnect: true });
    await alice.closed();
    expect(alice.all({ messageType: 'error' }).length).toBeLessThan(90);
    await works(bystander);
  });
});

test('the gateway does not count silence or frame time while it does not read', async () => {
  await fixture.restart({
    HZ_FRAMES_PER_SECOND: '10',
    HZ_HEARTBEAT: '500ms',
    HZ_HEARTBEAT_MIN: '2s',
    HZ_FRAME_DEADLINE: '2s',
  });
  const alice = await fixture.login('alice');
  const begun = performance.now();
  // Four seconds beyond the burst, followed by the beginning of a frame.
  alice.raw(`${`${JSON.stringify(nonsense('n'))}\n`.repeat(60)}{"beatID"`);
  await eventually('all answers', () => alice.all({ requestID: 'n' }).length === 60);
  expect(secondsSince(begun)).toBeGreaterThan(3.5);
  alice.raw(':"late"}\n');
  await alice.frame({ beatID: 'late' });
});

test('a client that sends faster than it is read gets back-pressure, and the gateway buffers little', async () => {
  await fixture.restart({ HZ_RATE_GRACE: '1h' });
  const alice = await fixture.login('alice');
  const piece = `${JSON.stringify(nonsense('n'))}\n`.repeat(5_000);
  const pieces = 300;
  for (let n = 0; n < pieces; n++) alice.raw(piece);
  await eventually('the burst', () => alice.all({ requestID: 'n' }).length >= 200);
  // The buffers of both kernels hold some MB; the rest of 60 MB stays in the client.
  expect(pieces * piece.length).toBeGreaterThan(60_000_000 * 0.9);
  await works(await fixture.login('bob'));
  expect(alice.socket.writableLength).toBeGreaterThan(30_000_000);
  expect(alice.all({ messageType: 'close' })).toEqual([]);
});

test('the gateway detects that a slowed client disconnects', async () => {
  await fixture.restart({ HZ_FRAMES_PER_SECOND: '10' });
  const alice = await fixture.login('alice');
  alice.send(...Array.from({ length: 30 }, (_, n) => nonsense(String(n))));
  await alice.frame({ requestID: '19' });
  alice.socket.end();
  await eventually('the end of the session', () => fixture.offline.closes.some(({ user }) => user === 'alice'));
  expect(fixture.log.closesOf('alice')).toEqual([]);
});

test('frames that arrive with the login count against the rate', async () => {
  await fixture.restart({ HZ_FRAMES_PER_SECOND: '10', HZ_RATE_GRACE: '500ms' });
  const client = await fixture.connect();
  const token = await signToken(SECRET, 'alice');
  const hello = { messageType: 'login', fromUserID: 'alice', versionCode: 2, token };
  client.send(hello, ...Array.from({ length: 60 }, () => nonsense('n')));
  await closed(client, 'rateLimited');
  expect(client.all({ requestID: 'n' }).length).toBeLessThan(50);
});

test('the gateway reads at most the byte rate, for frames of all kinds', async () => {
  await fixture.restart({ HZ_BYTES_PER_SECOND: '262144', HZ_RATE_GRACE: '1s' });
  const bystander = await fixture.login('bob');
  const alice = await fixture.login('alice');
  const begun = performance.now();
  alice.raw(`${JSON.stringify({ messageType: 'receipt', padding: 'x'.repeat(60_000) })}\n`.repeat(24));
  await works(bystander);
  await works(alice);
  // 1.4 MB, of which 0.5 MiB at once.
  expect(secondsSince(begun)).toBeGreaterThan(2.5);
});

test('an invalid receipt counts as a frame and delays the frames after it', async () => {
  await fixture.restart({ HZ_FRAMES_PER_SECOND: '10' });
  const alice = await fixture.login('alice');
  const begun = performance.now();
  alice.raw(`${JSON.stringify({ messageType: 'receipt', messageIDs: ['x'] })}\n`.repeat(40));
  await works(alice);
  expect(secondsSince(begun)).toBeGreaterThan(1.5);
  expect(alice.all({ messageType: 'error' })).toHaveLength(40);
});

describe('pings of a WebSocket', () => {
  const request = [
    ...['GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'],
    ...['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '\r\n'],
  ].join('\r\n');
  const head = (opcode: number, length: number): Buffer =>
    length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | length, 0, 0, 0, 0])
      : Buffer.from([0x80 | opcode, 0xfe, length >> 8, length & 0xff, 0, 0, 0, 0]);
  const frameOf = (opcode: number, text: string): Buffer =>
    Buffer.concat([head(opcode, text.length), Buffer.from(text)]);
  const pings = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => frameOf(9, 'ping')));
  const PONG = Buffer.from('8a0470696e67', 'hex');

  class Peer {
    bytes = Buffer.alloc(0);
    ended = false;

    constructor(readonly socket: Socket) {
      fixture.owns(socket);
      socket.on('error', () => undefined).on('close', () => (this.ended = true));
      socket.on('data', (more: Buffer) => (this.bytes = Buffer.concat([this.bytes, more])));
    }

    static async loggedIn(): Promise<Peer> {
      const peer = new Peer(connect(fixture.gateway.port, '127.0.0.1'));
      const token = await signToken(SECRET, 'alice');
      const hello = JSON.stringify({ messageType: 'login', fromUserID: 'alice', versionCode: 2, token });
      peer.socket.write(Buffer.concat([Buffer.from(request), frameOf(1, hello)]));
      await eventually('the login', () => peer.bytes.includes('"loginReceipt"'));
      return peer;
    }

    get pongs(): number {
      return this.bytes.toString('latin1').split(PONG.toString('latin1')).length - 1;
    }
  }

  test.each([60, 61, 200])('%i pings in one chunk are answered', async (count) => {
    const peer = await Peer.loggedIn();
    peer.socket.write(Buffer.concat([pings(count), frameOf(1, '{"beatID":"last"}')]));
    await eventually('the last answer', () => peer.bytes.includes('"beatID":"last"'));
    expect(peer.pongs).toBe(count);
  });

  test('pings beyond the rate are answered at the rate', async () => {
    await fixture.restart({ HZ_FRAMES_PER_SECOND: '20' });
    const peer = await Peer.loggedIn();
    const begun = performance.now();
    peer.socket.write(Buffer.concat([pings(80), frameOf(1, '{"beatID":"last"}')]));
    await eventually('the last answer', () => peer.bytes.includes('"beatID":"last"'));
    expect(peer.pongs).toBe(80);
    expect(secondsSince(begun)).toBeGreaterThan(1.5);
  });

  test('endless pings are closed with a frame and a code', async () => {
    await fixture.restart({ HZ_FRAMES_PER_SECOND: '20', HZ_RATE_GRACE: '500ms' });
    const peer = await Peer.loggedIn();
    peer.socket.write(pings(10_000));
    await eventually('the end', () => peer.ended);
    expect(peer.bytes.includes('"messageType":"close","code":4006,"name":"rateLimited"')).toBe(true);
    expect(peer.bytes.subarray(-15).toString('hex')).toBe('880d0fa6' + Buffer.from('rateLimited').toString('hex'));
    expect(peer.pongs).toBeLessThan(80);
  });
});

/** Each step of the timing wheel processes a bounded number of frames. */
test('a flood of the smallest frames is buffered as bytes and does not delay other clients', async () => {
  await fixture.restart({ HZ_RATE_GRACE: '2s' });
  const bystander = await fixture.login('bob');
  const flooding: TestClient[] = [];
  for (let n = 0; n < 20; n++) flooding.push(await fixture.login(`user${n}`));
  for (const client of flooding) client.raw('{}\n'.repeat(100_000));
  for (let n = 0; n < 5; n++) await works(bystander);
  for (const client of flooding) await closed(client, 'rateLimited');
  await works(bystander);
});
