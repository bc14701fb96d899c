import { createServer, type Server } from 'node:http';
import { mkdtempSync, chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { eventually, type Service } from '@huizhi/dev-env';
import { exportJWK, generateKeyPair, SignJWT, type JWTHeaderParameters } from 'jose';
import { type Device } from './support/device.js';
import { Marks } from './support/marks.js';
import { frameOf, tlsTo, wireTo, type WireMode } from './support/wire.js';
import { TestCluster } from './support/test-cluster.js';

/**
 * No part of a body or a token may reach a log, at any log level, in any mode and after any failure. The first tests
 * only produce traffic; the last one injects failures and checks all logs.
 */

jest.setTimeout(90_000);

/** The markers in message bodies and in tokens. */
const BODY = 'Zq7bodyXw9';
const TOKEN = 'Zq7tokenXw9';

let cluster: TestCluster;
let dataDir: string;
/** Valid tokens that were used; their secret parts must not be logged either. */
const tokens: string[] = [];

/** A key server, and a gateway that trusts its keys only. */
let keyServer: Server;
let byKeys: Service;
const keys = await generateKeyPair('ES256');
const KEY = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' };
let published: { status: number; body: string } = { status: 200, body: JSON.stringify({ keys: [KEY] }) };

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'huizhi-scrub-'));
  chmodSync(dataDir, 0o711);
  const env = { all: { HZ_LOG_LEVEL: 'debug' }, gateway: { HZ_LOGIN_ATTEMPTS: '1000' } };
  cluster = await TestCluster.start({ dataDir, postgres: 'own', env, throughProxy: ['message.postgres'] });
  keyServer = createServer((_, response) => void response.writeHead(published.status).end(published.body));
  await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/keys`;
  byKeys = await cluster.system.add('gateway', { HZ_JWT_SECRET: '', HZ_JWKS_URL: url });
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  keyServer?.closeAllConnections();
  keyServer?.close();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

/**
 * Every log line of services, PostgreSQL and NATS. Waits until all lines so far are in the files, which are written
 * asynchronously.
 */
async function everyLog(): Promise<{ name: string; text: string }[]> {
  const { postgres, nats } = cluster.system;
  const last = [...cluster.services(), postgres!, nats!].map(({ logs }) => logs.at(-1) ?? '');
  return eventually('the last lines in the files', () => {
    const logs = logFiles();
    return last.every((line) => logs.some(({ text }) => text.includes(line))) ? logs : undefined;
  });
}

function logFiles(): { name: string; text: string }[] {
  const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'));
  return files.map((name) => ({ name, text: readFileSync(join(dataDir, name), 'utf8') }));
}

const user = (device: Device): string => device.options.user;

/** Valid and invalid frames of all kinds, with the marker in place of user text. */
function marked(to: string): string[] {
  const message = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: to };
  const head = JSON.stringify({ ...message, clientMsgID: 'p' }).slice(0, -1);
  return [
    JSON.stringify({ ...message, clientMsgID: 'b1', content: { text: BODY } }),
    JSON.stringify({ ...message, clientMsgID: 'b2', contenType: 'picture', content: { [BODY]: { deep: [BODY] } } }),
    JSON.stringify({ ...message, clientMsgID: 'b1', content: { text: `${BODY} changed` } }),
    JSON.stringify({ ...message, clientMsgID: 'b3', toUserID: 'nobody-of-that-name', content: { text: BODY } }),
    JSON.stringify({ ...message, clientMsgID: 'b4', content: BODY }),
    JSON.stringify({ ...message, clientMsgID: 'b5', content: { text: [BODY] } }),
    JSON.stringify({ ...message, clientMsgID: 'b6', contenType: 'tip', content: { text: BODY } }),
    JSON.stringify({ ...message, clientMsgID: 'b7', content: { text: BODY }, sendTime: BODY.repeat(9) }),
    JSON.stringify({ messageType: 'createGroup', clientMsgID: 'b8', groupName: BODY, memberUserIDs: [to] }),
    JSON.stringify({ messageType: BODY, content: { text: BODY } }),
    JSON.stringify({ messageType: 'login', fromUserID: 'x', versionCode: 2, token: TOKEN }),
    JSON.stringify({ [BODY]: BODY }),
    `${head},"content":{"text":"${BODY}\\u0000"}}`,
    `${head},"content":{"text":"${BODY}\\ud800"}}`,
    `${head},"content":{"text":"${BODY}","n":1e999}}`,
    `${head},"content":{"__proto__":{"text":"${BODY}"}}}`,
    `${head},"content":{"text":["${BODY}",${'['.repeat(30)}${']'.repeat(30)}]}}`,
  ];
}

/** Each of these frames closes its connection. */
const deadly = [
  `{"content":{"text":"${BODY}"}`,
  `${BODY}`,
  `{"text":"${BODY}\xff"}`,
  `["${BODY}"]`,
  `{"${BODY}":${BODY}}`,
];

/** Invalid tokens of every kind. */
async function badTokens(): Promise<string[]> {
  const good = await cluster.system.token(`${TOKEN}-somebody`);
  const [header, payload] = good.split('.');
  return [
    TOKEN,
    `${header}.${payload}.${TOKEN}`,
    `${header}.${TOKEN}.x`,
    `${TOKEN}.a.b`,
    TOKEN.repeat(400),
    good,
    await cluster.system.token(`${TOKEN}-mallory`, { expiresIn: -60 }),
  ];
}

const loginOf = (fromUserID: string, token: string): Buffer =>
  Buffer.from(JSON.stringify({ messageType: 'login', fromUserID, deviceID: 'd', versionCode: 2, token }));

/** Bytes that close a connection in any state, followed by other invalid frames. */
const brokenBytes: Record<WireMode, [Buffer, ...Buffer[]]> = {
  'JSON lines': [Buffer.from(`{"text":"${BODY}`.padEnd(70_000, BODY))],
  'base64 lines': [
    Buffer.from(`${BODY}!${BODY}\n`),
    Buffer.from(`${Buffer.from(`{"text":"${BODY}`).toString('base64')}=${BODY}\n`),
  ],
  // A wrong version; an undefined flag; no header.
  'HZ frames': [
    Buffer.from(`HZ\x09\x01${BODY}`),
    Buffer.from(`HZ\x01\x01\x00\x01\x00\x00\x00\x0a${BODY}`),
    Buffer.from(BODY),
  ],
  // An unmasked frame; an undefined opcode.
  WebSocket: [Buffer.from(`\x81\x0a${BODY}`, 'latin1'), Buffer.from(`\x8f\x8a\x00\x00\x00\x00${BODY}`, 'latin1')],
};

test.each(Object.keys(brokenBytes) as WireMode[])(
  'a gateway survives valid and invalid frames, garbage and bad tokens in %s',
  async (mode) => {
    const { address } = cluster.system;
    const open = async (word: string): Promise<{ user: string; wire: Awaited<ReturnType<typeof wireTo>> }> => {
      const user = cluster.name(word);
      const token = await cluster.system.token(user);
      tokens.push(token);
      const wire = await wireTo(address, mode, `/ws?token=${TOKEN}`);
      wire.say(loginOf(user, token));
      await frameOf(wire, { messageType: 'loginReceipt', code: 0 });
      return { user, wire };
    };
    const bob = await open('wire-b');
    const alice = await open('wire-a');
    for (const text of marked(bob.user)) alice.wire.say(Buffer.from(text, 'latin1'));
    alice.wire.say(Buffer.from(JSON.stringify({ beatID: BODY })));
    await frameOf(alice.wire, { beatID: BODY });
    await frameOf(bob.wire, { messageType: 'normal', fromUserID: alice.user });
    for (const text of deadly) {
      const { wire } = await open('wire-d');
      wire.say(Buffer.from(text, 'latin1'));
      // Some of these bytes are a bare heartbeat in base64 and are answered.
      wire.raw(brokenBytes[mode][0]);
      await wire.closed;
    }
    for (const bytes of brokenBytes[mode]) {
      const { wire } = await open('wire-x');
      wire.raw(bytes);
      await wire.closed;
    }
    for (const token of await badTokens()) {
      const wire = await wireTo(address, mode, `/ws?token=${encodeURIComponent(token.slice(0, 900))}`);
      wire.say(loginOf('mallory', token));
      await wire.closed;
      expect(wire.frames.filter(({ code }) => code === 0)).toEqual([]);
    }
  },
);

const upgrade = (target: string, ...headers: string[]): string =>
  [
    `GET ${target} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
    '\r\n',
  ].join('\r\n');

test.each([
  ['an upgrade at another path', upgrade(`/${TOKEN}?token=${TOKEN}`), 404],
  ['an upgrade from another site’s page', upgrade(`/ws?token=${TOKEN}`, `Origin: https://${TOKEN}.example`), 403],
  ['an upgrade of an old version', upgrade(`/ws?token=${TOKEN}`, 'Sec-WebSocket-Version: 7', `X: ${TOKEN}`), 400],
  ['an upgrade with too large headers', upgrade(`/ws?token=${TOKEN}`, `Cookie: ${TOKEN.repeat(5_000)}`), 431],
  ['no upgrade', `GET /ws?token=${TOKEN} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`, 426],
  ['an invalid header', upgrade(`/ws?token=${TOKEN}`, `${TOKEN} ${BODY}`), 400],
  ['a request that is not HTTP', `GET ${TOKEN}\r\n${BODY}\r\n\r\n`, 400],
  ['another HTTP', `GET /ws?token=${TOKEN} HTTP/9.9\r\n\r\n`, 400],
  ['a header with control bytes', upgrade('/ws', `X-${TOKEN}: \x00${BODY}`), 400],
])('HTTP: %s', async (_, request, status) => {
  const socket = await tlsTo(cluster.system.address);
  let answer = '';
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')));
  socket.write(Buffer.from(request, 'latin1'));
  await eventually('the end', () => socket.destroyed);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});

test('a gateway with published keys handles valid, forged, unknown and broken tokens and keys', async () => {
  const address = cluster.system.addressOf(1);
  /** Logs in and returns the first answer. Then sends invalid bytes, so that the gateway closes the connection. */
  const login = async (user: string, token: string): Promise<Record<string, unknown>> => {
    const wire = await wireTo(address, 'JSON lines');
    wire.say(loginOf(user, token));
    const first = await eventually('an answer', () => wire.frames[0]);
    wire.say(Buffer.from(BODY));
    await wire.closed;
    return first;
  };
  const made = async (user: string, header: Partial<JWTHeaderParameters> = {}, exp = '1h'): Promise<string> => {
    const payload = new SignJWT({ [TOKEN]: TOKEN }).setSubject(user).setExpirationTime(exp);
    const token = await payload.setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header }).sign(keys.privateKey);
    tokens.push(token);
    return token;
  };
  const forged = (await made('mallory')).replace(/[^.]+$/, 'A'.repeat(86));

  expect(await login('keyed', await made('keyed'))).toMatchObject({ code: 0 });
  expect(await login('mallory', await made('mallory', {}, '1 hour ago'))).toMatchObject({ name: 'tokenExpired' });
  const led = await made('somebody', { jku: `http://${TOKEN}/` });
  for (const token of [...(await badTokens()), forged, led]) {
    expect(await login('mallory', token)).not.toMatchObject({ code: 0 });
  }
  for (const answer of [
    { status: 500, body: TOKEN },
    { status: 200, body: `{"keys":[${TOKEN}` },
    { status: 200, body: JSON.stringify({ keys: [{ kid: TOKEN, kty: TOKEN, [TOKEN]: TOKEN }] }) },
  ]) {
    published = answer;
    // A restart clears the cached keys.
    await byKeys.restart();
    expect(await login('keyed', await made('keyed'))).not.toMatchObject({ code: 0 });
    expect(await login('keyed', await made('keyed', { kid: TOKEN }))).not.toMatchObject({ code: 0 });
  }
});

test('Marks finds a word in clear text, in base64 at any offset, in hex and as bytes', () => {
  const marks = new Marks([BODY]);
  const writings = ['', 'x', 'xy'].flatMap((before) => {
    const bytes = Buffer.from(`${before}${BODY}after`);
    return [bytes.toString(), bytes.toString('base64'), bytes.toString('hex'), JSON.stringify(bytes)];
  });
  expect(writings.filter((writing) => !marks.in(`{"event":"${writing}"}`))).toEqual([]);
  expect(marks.in(Buffer.from('something else altogether').toString('base64'))).toBe(false);
});

test('no log holds a part of a sent, refused, stored, delivered or lost message or token', async () => {
  const alice = await cluster.device(cluster.name('scrub-a'));
  const bob = await cluster.device(cluster.name('scrub-b'));
  tokens.push(alice.options.token, bob.options.token);
  const frames = marked(user(bob));
  for (const line of frames) alice.raw(Buffer.from(`${line}\n`, 'latin1'));
  alice.say({ beatID: BODY });
  await alice.next({ beatID: BODY });
  await bob.sawMessages(3);
  alice.say({ messageType: 'history', requestID: 'h', chatType: 'userChat', toUserID: user(bob) });
  await alice.next({ requestID: 'h' });
  for (const bytes of deadly) {
    const device = await cluster.device(cluster.name('deadly'));
    device.raw(Buffer.from(`${bytes}\n`, 'latin1'));
    await device.closed;
  }
  // Inject each failure while a marked message is in flight.
  const failures: [Parameters<TestCluster['arm']>[0], string][] = [
    [cluster.system.gateway(), 'gateway.before-delivery-write=error@1'],
    [cluster.system.gateway(), 'gateway.before-cursor=error@1'],
    [cluster.system.message(), 'message.before-commit=error@1'],
    [cluster.system.message(), 'database.commit-answer-lost=error@1x1'],
    [cluster.system.offline(), 'offline.before-commit=error@1'],
  ];
  for (const [n, [service, failpoint]] of failures.entries()) {
    await cluster.arm(service, failpoint);
    await alice.settle(user(bob), `f${n}`, BODY);
  }
  const proxy = cluster.system.proxy('message.postgres');
  await proxy.cut();
  alice.text(user(bob), 'cut', BODY);
  expect(await alice.answer('cut')).toMatchObject({ temporary: true });
  await proxy.heal();
  await alice.settle(user(bob), 'cut', BODY);

  for (const [service, failpoint] of [
    [cluster.system.message(), 'message.after-commit=crash@1'],
    [cluster.system.offline(), 'offline.before-commit=crash@1'],
  ] as const) {
    await cluster.arm(service, failpoint);
    alice.text(user(bob), failpoint.replaceAll(/\W/g, '-'), BODY);
    await service.exited;
    await service.restart();
  }
  await alice.settle(user(bob), 'last', BODY);
  await bob.until('the last message', () => bob.seen.some(({ clientMsgID }) => clientMsgID === 'last'));
  await cluster.arm(cluster.system.gateway(), 'gateway.before-delivery-write=crash@1');
  alice.text(user(bob), 'gateway', BODY);
  await cluster.system.gateway().exited;

  const logs = await everyLog();
  const all = logs.map(({ text }) => text).join('\n');
  // The logs must contain all parts and the failures, so that the check is meaningful.
  for (const name of ['gateway-1', 'gateway-2', 'message-1', 'offline-1', 'postgres', 'nats']) {
    expect([name, logs.some((log) => log.name.includes(name) && log.text.length > 0)]).toEqual([name, true]);
  }
  expect(all).toMatch(/"level":"debug"/);
  expect(all).toMatch(/"level":"error"/);
  const marks = new Marks([BODY, TOKEN, ...tokens.flatMap(parts)]);
  const leaks = logs.flatMap(({ name, text }) =>
    text
      .split('\n')
      .filter((line) => marks.in(line))
      .map((line) => `${name}: ${line.slice(0, 300)}`),
  );
  expect(leaks).toEqual([]);
});

/** The payload and the signature of a token. */
const parts = (token: string): string[] => token.split('.').slice(1);
