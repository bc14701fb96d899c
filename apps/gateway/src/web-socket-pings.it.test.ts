import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { eventually } from '@huizhi/dev-env';
import { WebSocketTestClient } from './testing/client.js';
import { Clock } from './testing/clock.js';
import { closed as closedLine, works } from './testing/expect.js';
import { GatewayFixture } from './testing/gateway-fixture.js';

/** Pings that the gateway sends to silent WebSockets. */

const fixture = GatewayFixture.forEachTest();

const open = (options?: Parameters<typeof WebSocketTestClient.connect>[1]): Promise<WebSocketTestClient> =>
  WebSocketTestClient.connect(fixture.gateway.port, options);
const login = async (user: string): Promise<WebSocketTestClient> => fixture.loginOn(await open(), user);

/** Advances the clock in small steps until the condition holds, so that the clients can react in between. */
const turnUntil = (clock: Clock, ms: number, happened: () => boolean): Promise<unknown> =>
  eventually('a ping', () => {
    if (happened()) return true;
    clock.turn(ms);
    return false;
  });

test('the gateway keeps a silent WebSocket while its library answers pings, and closes one that does not', async () => {
  const clock = new Clock();
  await fixture.restart({ HZ_HEARTBEAT: '20s', HZ_WEB_SOCKET_PING: '10s' }, clock);
  const asleep = await login('alice');
  const gone = await fixture.loginOn(await open({ autoPong: false }), 'bob');
  const line = await fixture.login('carol');
  let pings = 0;
  asleep.webSocket.on('ping', () => (pings += 1));
  for (let n = 1; n <= 9; n++) await turnUntil(clock, 1_000, () => pings >= n);
  await gone.closed();
  expect([gone.code, gone.reason]).toEqual([4001, 'heartbeatMissed']);
  await closedLine(line, 'heartbeatMissed');
  await works(asleep);
  expect(asleep.all({ messageType: 'close' })).toEqual([]);
});

test('the gateway sends no ping to a WebSocket that sends frames, and none before its login', async () => {
  const clock = new Clock();
  await fixture.restart({ HZ_WEB_SOCKET_PING: '10s', HZ_LOGIN_DEADLINE: '1h' }, clock);
  const [beating, silent, early] = [await login('alice'), await login('bob'), await open()];
  const pings = new Map([beating, silent, early].map((client) => [client, 0]));
  for (const client of pings.keys()) {
    client.webSocket.on('ping', () => pings.set(client, (pings.get(client) ?? 0) + 1));
  }
  for (let n = 1; n <= 4; n++) {
    clock.turn(6_000);
    await works(beating);
  }
  await eventually('a ping', () => (pings.get(silent) ?? 0) >= 1);
  expect([pings.get(beating), pings.get(early)]).toEqual([0, 0]);
});

test("a pong that answers the gateway's ping does not count as a frame", async () => {
  const clock = new Clock(100);
  await fixture.restart({ HZ_FRAMES_PER_SECOND: '1', HZ_WEB_SOCKET_PING: '200ms' }, clock);
  const client = await login('alice');
  let pings = 0;
  client.webSocket.on('ping', () => (pings += 1));
  for (let n = 1; n <= 20; n++) await turnUntil(clock, 50, () => pings >= n);
  await works(client);
});

test('pings and pongs match the golden vectors', async () => {
  const file = new URL('../../../libs/protocol/fixtures/web-socket.json', import.meta.url);
  const { rows } = JSON.parse(readFileSync(file, 'utf8')) as { rows: { name: string; hex: string; answer: string }[] };
  const { hex, answer } = rows.find(({ name }) => name === 'a ping of the server')!;
  const clock = new Clock();
  await fixture.restart({ HZ_WEB_SOCKET_PING: '10s' }, clock);
  const client = await fixture.loginOn(await open({ autoPong: false }), 'alice');
  const { _socket: socket } = client.webSocket as unknown as { _socket: Socket };
  const frames: Buffer[] = [];
  socket.prependListener('data', (bytes: Buffer) => frames.push(bytes));
  for (let n = 1; n <= 8; n++) {
    await turnUntil(clock, 1_000, () => frames.length >= n);
    expect(Buffer.concat(frames).toString('hex')).toBe(hex.repeat(n));
    socket.write(Buffer.from(answer, 'hex'));
  }
  expect(client.code).toBeUndefined();
});
