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

/** The configurations in docs/proxies.md, run by the programs they are for. */

const fixture = GatewayFixture.forEachTest();
const page = readFileSync(join(projectRoot(), 'docs/proxies.md'), 'utf8');
let folder: string;
let certificate: Certificate;
let proxy: ChildProcess | undefined;
/** By the proxy, to its terminal. */
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

/** The block of this language below this heading, with the test's gateway in place of both, and its port, host and files. */
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

/** Runs it until the test ends, and waits for its port. */
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

/** A client's own address counts, whatever others behind the same proxy do. */
async function tellsAddresses(connectFrom: (address: string) => Promise<ModeClient>): Promise<void> {
  // The first connection may come before a health check has.
  await eventually('a good login', async () => {
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
  // Whatever else the proxy did, such as asking for health, was no fault.
  expect(fixture.log.lines.filter(({ event }) => /refused|failed/.test(event))).toEqual([]);
}

const tlsEnv = (): Record<string, string> => ({
  ...{ HZ_TLS: 'on', HZ_TLS_CERT_FILE: certificate.certFile, HZ_TLS_KEY_FILE: certificate.keyFile },
});

test('nginx passes TCP on with the PROXY protocol', async () => {
  await fixture.restart({ ...env, ...tlsEnv(), HZ_PROXY_PROTOCOL: 'on' }, { now: new Clock(100).now });
  const port = await nginx('nginx, TCP', 'load_module /usr/lib/nginx/modules/ngx_stream_module.so;');
  await tellsAddresses(async (from) => fixture.owns(await TestClient.connect(port, certificate.ca, from)));
});

test('HAProxy passes TCP on with the PROXY protocol, and its health check leaves a gateway that is to stop', async () => {
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
  await eventually('HAProxy to leave it', () => said.includes('gateway1 is DOWN') && said.includes('code: 503'));
  // A login comes too late now, whatever is left of the delay.
  await expect(TestClient.connect(port, certificate.ca)).rejects.toThrow();
  await stopped;
});

test('nginx passes WebSockets on, pages of its host included', async () => {
  await fixture.restart(env, { now: new Clock(100).now });
  const port = await nginx('nginx, WebSocket');
  const options = { ca: certificate.ca, origin: `https://127.0.0.1:${port}` };
  await tellsAddresses(async (from) => fixture.owns(await WebSocketTestClient.connect(port, { ...options, from })));
});

test('Caddy passes WebSockets on, pages of its host included', async () => {
  await fixture.restart(env, { now: new Clock(100).now });
  const port = await freePort();
  // Its own certificates need the Internet.
  const text = configuration('Caddy, WebSocket', 'caddy', port).replace('chat.example', `http://127.0.0.1:${port}`);
  const path = file('Caddyfile', `{\n  admin off\n  auto_https off\n}\n${text}`);
  await run('caddy', ['run', '--adapter', 'caddyfile', '--config', path], port);
  const options = { origin: `http://127.0.0.1:${port}` };
  await tellsAddresses(async (from) => fixture.owns(await WebSocketTestClient.connect(port, { ...options, from })));
});

test('the page has no configuration that is not run', () => {
  const languages = [...page.matchAll(/^```(\w+)$/gm)].map(([, language]) => language);
  expect(languages).toEqual(['nginx', 'nginx', 'haproxy', 'caddy']);
});
