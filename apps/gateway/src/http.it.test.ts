import { connect } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { eventually, signToken } from '@huizhi/dev-env';
import { httpRefusals } from './metrics.js';
import { WebSocketTestClient } from './testing/client.js';
import { Clock } from './testing/clock.js';
import { works } from './testing/expect.js';
import { GatewayFixture, SECRET } from './testing/gateway-fixture.js';

/** HTTP on the port for clients: health checks, and requests that do not become a WebSocket. */

const fixture = GatewayFixture.forEachTest();

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Sends the request and reads until the end; expects one complete HTTP answer. */
async function ask(request: string, { bytewise = false, from = '127.0.0.1' } = {}): Promise<Answer> {
  const socket = fixture.owns(connect({ port: fixture.gateway.port, host: '127.0.0.1', localAddress: from }));
  let text = '';
  let ended = false;
  socket.on('error', () => undefined).on('close', () => (ended = true));
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
  for (const piece of bytewise ? request : [request]) {
    socket.write(piece);
    if (bytewise) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('the end', () => ended);
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const [line = '', ...fields] = head.split('\r\n');
  expect(line).toMatch(/^HTTP\/1\.1 \d{3} [A-Z]/);
  const headers = new Headers(fields.map((field) => field.split(': ', 2) as [string, string]));
  const isHead = request.startsWith('HEAD ');
  const size = Buffer.byteLength(body);
  if (isHead) expect(body).toBe('');
  else expect(headers.get('content-length')).toBe(String(size));
  expect(headers.get('connection')).toContain('close');
  return { status: Number(line.split(' ')[1]), headers, body };
}

const upgrade = (fields: string[] = ['Host: localhost'], line = 'GET / HTTP/1.1'): string =>
  [
    ...[line, ...fields, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '\r\n'],
  ].join('\r\n');

const REQUESTS: [name: string, request: string, status: number, reason: string | undefined][] = [
  ['GET of /', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 426, 'noUpgrade'],
  ['HEAD of /', 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 426, 'noUpgrade'],
  ['GET of another path', 'GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n', 404, 'path'],
  ['HEAD of another path', 'HEAD /index.html HTTP/1.1\r\nHost: a\r\n\r\n', 404, 'path'],
  ['a health check', 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n', 200, undefined],
  ['a health check with a query', 'GET /healthz?probe=1 HTTP/1.1\r\nHost: a\r\n\r\n', 200, undefined],
  ['a health check of HTTP/1.0', 'GET /healthz HTTP/1.0\r\n\r\n', 200, undefined],
  ['a health check by HEAD', 'HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n', 200, undefined],
  ['a health check with a whole URL', 'GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n', 200, undefined],
  [
    'a health check that offers HTTP/2',
    'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    200,
    undefined,
  ],
  ['OPTIONS of HTTP/1.0', 'OPTIONS / HTTP/1.0\r\n\r\n', 200, undefined],
  ['OPTIONS of all', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 200, undefined],
  ['POST', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}', 405, 'method'],
  [
    'POST with Expect: 100-continue',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n',
    405,
    'method',
  ],
  ['PUT', 'PUT /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', 405, 'method'],
  ['DELETE', 'DELETE /healthz HTTP/1.1\r\nHost: a\r\n\r\n', 405, 'method'],
  ['PATCH', 'PATCH / HTTP/1.1\r\nHost: a\r\n\r\n', 405, 'method'],
  ['TRACE', 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', 405, 'method'],
  ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n', 404, 'path'],
  ['the beginning of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'http2'],
  ['another expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n', 417, 'expectation'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'host'],
  ['an invalid header', 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n', 400, 'malformed'],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400, 'host'],
  ['two requests in one chunk', 'GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n', 404, 'path'],
  ['headers that are too large', upgrade(['Host: a', `Cookie: ${'x'.repeat(70_000)}`]), 431, 'tooLarge'],
  ['an upgrade on another path', upgrade(undefined, 'GET /chat HTTP/1.1'), 404, 'path'],
  ['an upgrade without Host', upgrade([]), 400, 'host'],
  ['an upgrade by HTTP/1.0', upgrade(undefined, 'GET / HTTP/1.0'), 426, 'httpVersion'],
  ['an upgrade by POST', upgrade(undefined, 'POST / HTTP/1.1'), 405, 'method'],
  ['an upgrade by HEAD', upgrade(undefined, 'HEAD / HTTP/1.1'), 426, 'noUpgrade'],
  ['an upgrade of version 8', upgrade().replace('Version: 13', 'Version: 8'), 400, 'webSocketVersion'],
  ['an upgrade without a key', upgrade().replace(/Sec-WebSocket-Key.*\r\n/, ''), 400, 'handshake'],
  ['an upgrade with a short key', upgrade().replace('jZQ==', '=='), 400, 'handshake'],
  ['an upgrade with a bad subprotocol', upgrade(['Host: a', 'Sec-WebSocket-Protocol: ,']), 400, 'handshake'],
  ['an upgrade to something else', upgrade().replace('websocket', 'h2c'), 426, 'noUpgrade'],
  ['a page of another origin', upgrade(['Host: a', 'Origin: https://evil.example']), 403, 'origin'],
];

test.each(REQUESTS)('the gateway answers, counts and explains by HTTP: %s', async (_, request, status, reason) => {
  const before = { ...httpRefusals.counts };
  const { body, headers, ...answer } = await ask(request);
  expect(answer.status).toBe(status);
  const counted = Object.entries(httpRefusals.counts).filter(([name, n]) => n > before[name as 'path']);
  expect(counted.map(([name]) => name)).toEqual(reason === undefined ? [] : [reason]);
  if (reason === undefined) return;
  if (!request.startsWith('HEAD ')) expect(body).toMatch(/^[A-Z][^\n]{10,}\.\n$/);
  expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(headers.get('allow')).toBe(status === 405 ? 'GET, HEAD, OPTIONS' : null);
  expect(headers.get('upgrade')).toBe(status === 426 ? 'websocket' : null);
  expect(fixture.log.lines.filter(({ event }) => event === 'http.refused')).toEqual([
    { event: 'http.refused', fields: { reason, text: expect.any(String), heldBack: 0 } },
  ]);
});

test('the gateway answers an HTTP request that arrives byte by byte', async () => {
  for (const request of ['HEAD /healthz HTTP/1.0\r\n\r\n', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n']) {
    expect(await ask(request, { bytewise: true })).toMatchObject({ status: 200 });
  }
});

test('the gateway logs refusals for one reason once per interval, with their number', async () => {
  const clock = new Clock(1_000);
  await fixture.restart({}, clock);
  const get = 'GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n';
  for (let n = 0; n < 5; n++) await ask(get);
  clock.turn(10_000);
  await ask(get);
  const lines = fixture.log.lines.filter(({ event }) => event === 'http.refused');
  expect(lines.map(({ fields }) => fields)).toMatchObject([{ heldBack: 0 }, { heldBack: 4 }]);
});

test('the answer to a page of another host names the header that a proxy must pass on', async () => {
  const { body } = await ask(upgrade(['Host: 127.0.0.1:7000', 'Origin: https://chat.example']));
  expect(body).toContain('"https://chat.example"');
  expect(body).toContain('"127.0.0.1:7000"');
  expect(body).toContain('proxy_set_header Host $http_host');
  expect(body).toContain('HZ_ALLOWED_ORIGINS');
  await fixture.restart({ HZ_ALLOWED_ORIGINS: 'https://chat.example' });
  expect((await ask(upgrade(['Host: a', 'Origin: https://evil.example']))).body).toContain('not in HZ_ALLOWED_ORIGINS');
});

test('an answer quotes at most 200 characters of the client, in plain text', async () => {
  const { body } = await ask(upgrade(['Host: a', `Origin: https://"<script>\u00e9${'x'.repeat(1_000)}`]));
  expect(body.length).toBeLessThan(700);
  expect(body).toMatch(/^[\x20-\x7e]+\n$/);
});

test('the health check fails during the drain delay while clients are still served', async () => {
  await fixture.restart({ HZ_DRAIN_DELAY: '3s', HZ_DRAIN_SPREAD: '0s' });
  const health = async (): Promise<number> => (await ask('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')).status;
  expect(await health()).toBe(200);
  const stopped = fixture.gateway.stop();
  expect(await health()).toBe(503);
  const late = await fixture.login('late');
  await works(late);
  await stopped;
});

describe('behind a proxy that forwards WebSockets', () => {
  const PROXY = '127.0.0.9';
  const through = async (headers: Record<string, string>, user: string, token?: string): Promise<string> => {
    const { port } = fixture.gateway;
    const client = fixture.owns(await WebSocketTestClient.connect(port, { from: PROXY, headers }));
    const good = token ?? (await signToken(SECRET, user));
    client.send({ messageType: 'login', fromUserID: user, versionCode: 2, deviceID: 'd', token: good });
    const { name } = await client.frame({ messageType: 'loginReceipt' });
    return typeof name === 'string' ? name : 'ok';
  };

  test.each([
    ['x-forwarded-for', (address: string) => `1.1.1.1, ${address}`],
    ['forwarded', (address: string) => `for=1.1.1.1, for="${address}:4711";proto=https`],
  ])('limits count per address in %s', async (header, value) => {
    const env = { HZ_TRUSTED_PROXIES: PROXY, HZ_FORWARDING_HEADER: header, HZ_FAILED_LOGINS_PER_ADDRESS: '2' };
    await fixture.restart({ ...env, HZ_CONNECTIONS_PER_ADDRESS: '4', HZ_LOGIN_DEADLINE: '1m' }, new Clock(100));
    const from = (address: string): Record<string, string> => ({ [header]: value(address) });
    for (const guess of ['a', 'b']) expect(await through(from('203.0.113.7'), 'alice', guess)).toBe('badToken');
    expect(await through(from('203.0.113.7'), 'alice', 'c')).toBe('unavailable');
    expect(await through(from('203.0.113.8'), 'alice', 'c')).toBe('badToken');
    await eventually('the end of the refused connections', () => fixture.gateway.accepted === 0);
    for (let n = 0; n < 4; n++) expect(await through(from('203.0.113.7'), `user${n}`)).toBe('ok');
    await expect(through(from('203.0.113.7'), 'one more')).rejects.toThrow('429');
    // The proxy's own address is exempt, and its other clients are not affected.
    for (let n = 0; n < 6; n++) expect(await through(from(`203.0.113.${n + 20}`), `other${n}`)).toBe('ok');
  });

  test('the forwarding header is ignored when the client is not a trusted proxy', async () => {
    await fixture.restart({ HZ_TRUSTED_PROXIES: '127.0.0.8', HZ_FAILED_LOGINS_PER_ADDRESS: '1' }, new Clock(100));
    expect(await through({ 'x-forwarded-for': '203.0.113.7' }, 'alice', 'a')).toBe('badToken');
    expect(await through({ 'x-forwarded-for': '203.0.113.8' }, 'alice', 'b')).toBe('unavailable');
  });
});
