import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, afterAll, beforeAll, expect, test } from '@jest/globals';
import { certificateFor, eventually, freePort, projectRoot, signToken, type Certificate } from '@huizhi/dev-env';
import { TestClient, WebSocketTestClient } from './testing/client.js';
import { Clock } from './testing/clock.js';
import { works } from './testing/expect.js';
import { GatewayFixture, SECRET, type ModeClient } from './testing/gateway-fixture.js';

/** Runs the configurations of docs/proxies.md with the programs that they are for. */

const fixture = GatewayFixture.forEachTest();
const page = readFileSync(join(projectRoot(), 'docs/proxies.md'), 'utf8');
let folder: string;
let certificate: Certificate;
let proxy: ChildProcess | undefined;
/** Output of the proxy. */
let said = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-proxies-'));
  certificate = await certificateFor(folder);
});
afterEach(async () => {
  if (proxy?.exitCode === null && proxy.kill('SIGTERM')) await once(proxy, 'exit');
  proxy = undefined;
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The code block of this language below this heading, with the gateway, port, host and files of the test. */
function configuration(heading: string, language: string, port: number): string {
  const section = page.split(/^## /m).find((one) => one.startsWith(`${heading}\n`)) ?? '';
  const [, text] = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'm').exec(section) ?? [];
  if (text === undefined) throw new Error(`docs/proxies.md has no ${language} below "${heading}"`);
  const { certFile, keyFile } = certificate;
  return text
    .replaceAll(/10\.0\.0\.1[12]:7000/g, `127.0.0.1:${fixture.gateway.port}`)
    .replace(/(listen|bind :) ?443\b/, (_, word: string) => (word === 'listen' ? `listen ${port}` : `bind :${port}`))
    .replace('/etc/nginx/tls/cert.pem', certFile)
    .replace('/etc/nginx/tls/key.pem', keyFile)
    .replace('/etc/haproxy/ca.pem', certFile);
}

/** Runs the program until the end of the test and waits until its port accepts connections. */
async function run(program: string, args: string[], port: number): Promise<void> {
  said = '';
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  proxy = child;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()));
  let failed: Error | undefined;
  child.on('error', (error) => (failed = error));
  await eventually(`${program} to listen`, async () => {
    if (failed || child.exitCode !== null) throw failed ?? new Error(`${program} ended: ${said}`);
    const socket = connect(port, '127.0.0.1');
    const listens = await new Promise((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    );
    socket.destroy();
    return listens === true;
  });
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function nginx(heading: string, module = ''): Promise<number> {
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (one) => `${one}_temp_path ${folder}/${one};`,
  );
  const text = configuration(heading, 'nginx', port).replace('http {', `http { access_log off; ${temporary.join(' ')}`);
  const main = `${module} daemon off; error_log stderr; pid ${folder}/nginx.pid; events { worker_connections 100; }`;
  await run('nginx', ['-p', folder, '-c', file('nginx.conf', `${main}\n${text}`)], port);
  return port;
}

const env = { HZ_TRUSTED_PROXIES: '127.0.0.1', HZ_FAILED_LOGINS_PER_ADDRESS: '1' };

async function answerTo(client: ModeClient, user: string, token: string): Promise<unknown> {
  client.send({ messageType: 'login', fromUserID: user, versionCode: 2, deviceID: 'd', token });
  return (await client.frame({ messageType: 'loginReceipt' })).name ?? 'ok';
}

/** Expects that limits count per client address behind the proxy. */
async function tellsAddresses(connectFrom: (address: string) => Promise<ModeClient>): Promise<void> {
  // The first connection may precede the first health check.
  await eventually('a successful login', async () => {
    try {
      return (await answerTo(await connectFrom('127.0.0.2'), 'alice', await signToken(SECRET, 'alice'))) === 'ok';
    } catch {
      return false;
    }
  });
  expect(await answerTo(await connectFrom('127.0.0.3'), 'bob', 'guess')).toBe('badToken');
  expect(await answerTo(await connectFrom('127.0.0.3'), 'bob', 'another')).toBe('unavailable');
  expect(await answerTo(await connectFrom('127.0.0.4'), 'bob', 'another')).toBe('badToken');
  await works(await fixture.loginOn(await connectFrom('127.0.0.3'), 'bob'));
  // Other requests of the proxy, such as health checks, were not refused.
  expect(fixture.log.lines.filter(({ event }) => /refused|failed/.test(event))).toEqual([]);
}

const tlsEnv = (): Record<string, string> => ({
  ...{ HZ_TLS: 'on', HZ_TLS_CERT_FILE: certificate.certFile, HZ_TLS_KEY_FILE: certificate.keyFile },
});

test('nginx forwards TCP with the PROXY protocol', async () => {
  await fixture.restart({ ...env, ...tlsEnv(), HZ_PROXY_PROTOCOL: 'on' }, { now: new Clock(100).now });
  const port = await nginx('nginx, TCP', 'load_module /usr/lib/nginx/modules/ngx_stream_module.so;');
  await tellsAddresses(async (from) => fixture.owns(await TestClient.connect(port, certificate.ca, from)));
});

test('HAProxy forwards TCP with the PROXY protocol, and its health check detects a stopping gateway', async () => {
  await fixture.restart(
    { ...env, ...tlsEnv(), HZ_PROXY_PROTOCOL: 'on', HZ_DRAIN_DELAY: '20s' },
    { now: new Clock(100).now },
  );
  const port = await freePort();
  const text = configuration('HAProxy, TCP', 'haproxy', port).replace('/etc/haproxy/ca.pem', certificate.certFile);
  await run('haproxy', ['-db', '-f', file('haproxy.cfg', text)], port);
  await tellsAddresses(async (from) => fixture.owns(await TestClient.connect(port, certificate.ca, from)));
  expect(said).not.toContain('DOWN');
  const stopped = fixture.gateway.stop();
  await eventually(
    'HAProxy to mark the gateway as down',
    () => said.includes('gateway1 is DOWN') && said.includes('code: 503'),
  );
  // HAProxy refuses a login now, although the drain delay may not be over.
  await expect(TestClient.connect(port, certificate.ca)).rejects.toThrow();
  await stopped;
});

test('nginx forwards WebSockets, including pages of its host', async () => {
  await fixture.restart(env, { now: new Clock(100).now });
  const port = await nginx('nginx, WebSocket');
  const options = { ca: certificate.ca, origin: `https://127.0.0.1:${port}` };
  await tellsAddresses(async (from) => fixture.owns(await WebSocketTestClient.connect(port, { ...options, from })));
});

test('Caddy forwards WebSockets, including pages of its host', async () => {
  await fixture.restart(env, { now: new Clock(100).now });
  const port = await freePort();
  // Certificates from Caddy need the Internet.
  const text = configuration('Caddy, WebSocket', 'caddy', port).replace('chat.example', `http://127.0.0.1:${port}`);
  const path = file('Caddyfile', `{\n  admin off\n  auto_https off\n}\n${text}`);
  await run('caddy', ['run', '--adapter', 'caddyfile', '--config', path], port);
  const options = { origin: `http://127.0.0.1:${port}` };
  await tellsAddresses(async (from) => fixture.owns(await WebSocketTestClient.connect(port, { ...options, from })));
});

test('each configuration of the page is tested', () => {
  const languages = [...page.matchAll(/^```(\w+)$/gm)].map(([, language]) => language);
  expect(languages).toEqual(['nginx', 'nginx', 'haproxy', 'caddy']);
});
