import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { certificateFor, eventually, signToken, type Certificate } from '@huizhi/dev-env';
import { closes, refusedConnections } from '../metrics.js';
import { Clock } from '../testing/clock.js';
import { GatewayFixture, SECRET } from '../testing/gateway-fixture.js';

/** Connections through a TCP proxy that sends the client's address with the PROXY protocol. */

const fixture = GatewayFixture.forEachTest();
let folder: string;
let certificate: Certificate;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-proxy-'));
  certificate = await certificateFor(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The proxy's address; clients that connect directly come from 127.0.0.1. */
const PROXY = '127.0.0.9';
const behindProxy = { HZ_PROXY_PROTOCOL: 'on', HZ_TRUSTED_PROXIES: `${PROXY}/32` };

const v1 = (address: string): Buffer => Buffer.from(`PROXY TCP4 ${address} 127.0.0.1 50000 7000\r\n`);
const v2 = (address: string): Buffer =>
  Buffer.concat([
    Buffer.from('0d0a0d0a000d0a515549540a' + '2111' + '000c', 'hex'),
    Buffer.from([...address.split('.').map(Number), 127, 0, 0, 1, 0xc3, 0x50, 0x1b, 0x58]),
  ]);
const local = Buffer.from('0d0a0d0a000d0a515549540a' + '2000' + '0000', 'hex');

class RawClient {
  text = '';
  ended = false;

  constructor(readonly socket: Socket) {
    fixture.owns(socket);
    socket.on('error', () => undefined).on('close', () => (this.ended = true));
    socket.on('data', (bytes: Buffer) => (this.text += bytes.toString()));
  }

  static async connect(localAddress = PROXY): Promise<RawClient> {
    const socket = connectTcp({ port: fixture.gateway.port, host: '127.0.0.1', localAddress });
    const client = new RawClient(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    return client;
  }

  async hears(text: string): Promise<void> {
    await eventually(text, () => this.text.includes(text));
  }

  async ends(): Promise<void> {
    await eventually('the end', () => this.ended);
  }
}

const loginLine = async (user: string, token?: string): Promise<string> =>
  `${JSON.stringify({ messageType: 'login', fromUserID: user, versionCode: 2, token: token ?? (await signToken(SECRET, user)) })}\n`;

/** Logs in through the proxy, with a header for the client's address. */
async function login(header: Buffer, user: string, token?: string): Promise<RawClient> {
  const client = await RawClient.connect();
  client.socket.write(Buffer.concat([header, Buffer.from(await loginLine(user, token))]));
  await client.hears('"loginReceipt"');
  return client;
}

test.each([
  ['version 1', v1('203.0.113.7')],
  ['version 2', v2('203.0.113.7')],
  ['version 2, LOCAL', local],
])('a client logs in after a PROXY header of %s, in one chunk and byte by byte', async (_, header) => {
  await fixture.restart(behindProxy);
  expect((await login(header, 'alice')).text).toContain('"code":0');
  const slow = await RawClient.connect();
  slow.socket.setNoDelay(true);
  for (const byte of Buffer.concat([header, Buffer.from(await loginLine('bob'))])) {
    slow.socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await slow.hears('"code":0');
});

test('the PROXY header precedes TLS, in one chunk with it or separately', async () => {
  const { certFile, keyFile, ca } = certificate;
  await fixture.restart({ ...behindProxy, HZ_TLS: 'on', HZ_TLS_CERT_FILE: certFile, HZ_TLS_KEY_FILE: keyFile });
  for (const isApart of [true, false]) {
    const raw = connectTcp({ port: fixture.gateway.port, host: '127.0.0.1', localAddress: PROXY });
    fixture.owns(raw);
    await new Promise((resolve) => raw.once('connect', resolve));
    raw.cork();
    raw.write(v2('203.0.113.7'));
    if (isApart) raw.uncork();
    if (isApart) await new Promise((resolve) => setTimeout(resolve, 50));
    const socket = connectTls({ socket: raw, ca, servername: 'localhost' });
    if (!isApart) setImmediate(() => raw.uncork());
    const client = new RawClient(socket);
    socket.write(await loginLine('alice'));
    await client.hears('"code":0');
  }
});

test('failed logins count for the address in the header instead of the proxy\u2019s', async () => {
  await fixture.restart({ ...behindProxy, HZ_FAILED_LOGINS_PER_ADDRESS: '2' }, new Clock(100));
  for (const guess of ['a', 'b']) expect((await login(v1('203.0.113.7'), 'alice', guess)).text).toContain('"badToken"');
  expect((await login(v1('203.0.113.7'), 'alice', 'c')).text).toContain('"rateLimited"');
  expect((await login(v1('203.0.113.8'), 'alice', 'c')).text).toContain('"badToken"');
  expect((await login(v1('203.0.113.7'), 'alice')).text).toContain('"code":0');
});

test('connections and new connections per second count for the address in the header instead of the proxy\u2019s', async () => {
  await fixture.restart({ ...behindProxy, HZ_CONNECTIONS_PER_ADDRESS: '3', HZ_LOGIN_DEADLINE: '1m' });
  const held: RawClient[] = [];
  for (const user of ['u1', 'u2', 'u3']) held.push(await login(v2('203.0.113.7'), user));
  const { address } = refusedConnections.counts;
  const fourth = await RawClient.connect();
  fourth.socket.write(v2('203.0.113.7'));
  await fourth.ends();
  expect(refusedConnections.counts.address).toBe(address + 1);
  // The proxy itself is exempt, and its other clients are not affected.
  for (const host of [1, 2, 3, 4, 5]) await login(v2(`203.0.113.${10 + host}`), `other${host}`);
  held[0]?.socket.destroy();
  await eventually('room', () => fixture.gateway.accepted <= 7);
  await login(v2('203.0.113.7'), 'u4');

  await fixture.restart({ ...behindProxy, HZ_CONNECTS_PER_SECOND: '1' }, new Clock(100));
  for (let n = 0; n < 20; n++) await login(v1('203.0.113.7'), `v${n}`);
  const late = await RawClient.connect();
  late.socket.write(v1('203.0.113.7'));
  await late.ends();
  await login(v1('203.0.113.8'), 'w');
});

test.each([
  ['TLS', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00])],
  ['a login', Buffer.from('{"messageType":"login"}\n')],
  ['an invalid header', Buffer.from('PROXY TCP4 localhost 127.0.0.1 1 2\r\n')],
])(
  'a trusted proxy is refused and counted when it sends %s instead of a header, and logged once per interval',
  async (_, bytes) => {
    await fixture.restart(behindProxy);
    const { proxyHeader } = refusedConnections.counts;
    for (let n = 0; n < 5; n++) {
      const client = await RawClient.connect();
      client.socket.write(bytes);
      await client.ends();
      expect(client.text).toBe('');
    }
    expect(refusedConnections.counts.proxyHeader).toBe(proxyHeader + 5);
    expect(fixture.log.lines.filter(({ event }) => event === 'proxy.refused')).toEqual([
      { event: 'proxy.refused', fields: { reason: expect.any(String), proxy: PROXY, heldBack: 0 } },
    ]);
  },
);

test.each([
  ['version 1', v1('203.0.113.7')],
  ['version 2', v2('203.0.113.7')],
])('a PROXY header of %s is refused when it comes from an untrusted address', async (_, header) => {
  await fixture.restart(behindProxy);
  const client = await RawClient.connect('127.0.0.1');
  client.socket.write(Buffer.concat([header, Buffer.from(await loginLine('alice'))]));
  await client.ends();
  expect(client.text).not.toContain('loginReceipt');
  expect(fixture.offline.opens).toEqual([]);
  // Without a header the client can log in.
  await fixture.login('alice');
});

test('a PROXY header from a trusted proxy is refused when the PROXY protocol is off', async () => {
  await fixture.restart({ HZ_TRUSTED_PROXIES: PROXY });
  const client = await RawClient.connect();
  client.socket.write(Buffer.concat([v1('203.0.113.7'), Buffer.from(await loginLine('alice'))]));
  await client.ends();
  expect(client.text).not.toContain('loginReceipt');
});

test('an unfinished header is ended at the login deadline and does not delay the stop of the gateway', async () => {
  await fixture.restart({ ...behindProxy, HZ_LOGIN_DEADLINE: '300ms' });
  const slow = await RawClient.connect();
  slow.socket.write('PROXY TCP4 203');
  await slow.ends();
  await fixture.restart({ ...behindProxy, HZ_LOGIN_DEADLINE: '1h' });
  const waiting = await RawClient.connect();
  await eventually('the connection', () => fixture.gateway.accepted === 1);
  await fixture.gateway.stop();
  await waiting.ends();
});

test('a health check that connects and closes or resets is neither logged nor counted as refused', async () => {
  await fixture.restart(behindProxy);
  const [refused, closed] = [{ ...refusedConnections.counts }, { ...closes.counts }];
  for (let n = 0; n < 10; n++) {
    const client = await RawClient.connect();
    if (n % 2 === 0) client.socket.end();
    else client.socket.resetAndDestroy();
  }
  await eventually('the end of the connections', () => fixture.gateway.accepted === 0);
  expect([refusedConnections.counts, closes.counts]).toEqual([refused, closed]);
  expect(fixture.log.lines.map(({ event }) => event)).toEqual(['server.listening']);
});
