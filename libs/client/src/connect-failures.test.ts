import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import type { Mode } from './address.js';
import { CertificateError, ConnectFailedError, RequestTimeoutError, UpgradeRefusedError } from './errors.js';
import { HuizhiClient } from './node.js';
import { FakeServer } from './testing/fake-server.js';
import { until } from './testing/harness.js';

const HOST = '127.0.0.1';
const OPTIONS = { user: 'alice', deviceID: 'phone', token: 'a-token' };
const MODES: Mode[] = ['lines', 'frames', 'websocket'];

interface Pem {
  key: string;
  cert: string;
}

let folder: string;
let forThisHost: Pem;
let forAnotherHost: Pem;
let client: HuizhiClient | undefined;
let server: Server | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-certificates-'));
  forThisHost = certificate('this', `IP:${HOST}`);
  forAnotherHost = certificate('another', 'DNS:chat.example.org');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  await client?.close();
  client = undefined;
  await closed(server);
  server = undefined;
});

/** Requires the program openssl, like the set-up of the tests. */
function certificate(name: string, subject: string): Pem {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const into = ['-keyout', key, '-out', cert, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${subject}`];
  execFileSync('openssl', [...made, ...into], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

/** Accepts TLS connections and passes each to `then`, which by default sends nothing. */
async function tlsServer(pem: Pem, port = 0, then: (socket: TLSSocket) => void = () => undefined): Promise<number> {
  server = createServer(pem, (socket) => {
    socket.on('error', () => undefined).resume();
    then(socket);
  }).listen(port, HOST);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function closed(listening: Server | undefined): Promise<void> {
  if (listening?.listening) await new Promise((resolve) => listening.close(resolve));
}

const failure = (made: HuizhiClient): Promise<unknown> =>
  made.connect().then(
    () => 'connected',
    (error: unknown) => error,
  );

describe.each(MODES)('over %s, connect()', (mode) => {
  test.each<[string, () => Pem, string | undefined, RegExp]>([
    ['of an untrusted authority', () => forThisHost, undefined, /^DEPTH_ZERO_SELF_SIGNED_CERT$/],
    ['for another host name', () => forAnotherHost, 'another', /^ERR_TLS_CERT_ALTNAME_INVALID$/],
  ])('rejects with CertificateError when the certificate is %s', async (_, pem, trusted, code) => {
    const port = await tlsServer(pem());
    const ca = trusted === undefined ? undefined : forAnotherHost.cert;
    client = new HuizhiClient({ ...OPTIONS, address: { host: HOST, port, mode, ca } });
    const ends: unknown[] = [];
    client.on('closed', (...end) => ends.push(end));
    const error = await failure(client);
    expect(error).toBeInstanceOf(CertificateError);
    expect(error).toMatchObject({ server: `${HOST}:${port}`, code: expect.stringMatching(code) });
    expect(client.state).toBe('closed');
    expect(ends).toEqual([[0, 'certificateRefused', false]]);
  });

  test('rejects with ConnectFailedError when the option `ca` is not PEM', async () => {
    const port = await tlsServer(forThisHost);
    const ca = '-----BEGIN CERTIFICATE-----\nno certificate\n-----END CERTIFICATE-----\n';
    client = new HuizhiClient({ ...OPTIONS, address: { host: HOST, port, mode, ca } });
    expect(await failure(client)).toBeInstanceOf(Error);
    expect(client.state).toBe('closed');
  });

  test('rejects at once with ConnectFailedError when failFast is set and the port is closed', async () => {
    const port = await freePort();
    client = new HuizhiClient({ ...OPTIONS, address: { host: HOST, port, mode, tls: false } });
    const error = await client.connect({ failFast: true }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectFailedError);
    expect(error).toMatchObject({
      code: 'ECONNREFUSED',
      message: `cannot connect to ${HOST}:${port}: connection refused`,
    });
  });

  test('rejects with the reason of the last attempt when its timeout expires', async () => {
    const port = await freePort();
    client = new HuizhiClient({ ...OPTIONS, address: { host: HOST, port, mode, tls: false } });
    const error = await client.connect({ timeoutMs: 200 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RequestTimeoutError);
    expect(error).toMatchObject({
      message: `connect: no answer within 200 ms; the last attempt failed: cannot connect to ${HOST}:${port}: connection refused`,
      cause: expect.any(ConnectFailedError),
    });
  });
});

test('connect() rejects with the error of the transport and closes the client', async () => {
  const transport = (): never => {
    throw new SyntaxError('the page may not use ws://');
  };
  client = new HuizhiClient({ ...OPTIONS, address: 'ws://localhost:1', transport });
  expect(await failure(client)).toMatchObject({
    name: 'ConnectFailedError',
    message: 'cannot connect to localhost:1: the page may not use ws://',
  });
  expect(client.state).toBe('closed');
});

test('connect() rejects with UpgradeRefusedError when the server refuses the WebSocket with status 403', async () => {
  const fake = await FakeServer.start('websocket');
  fake.refuseWith = 403;
  client = new HuizhiClient({ ...OPTIONS, address: fake.address });
  const error = await failure(client);
  expect(error).toBeInstanceOf(UpgradeRefusedError);
  expect(error).toMatchObject({ status: 403 });
  await fake.stop();
});

test('the client retries after a refused certificate when an earlier login was accepted', async () => {
  const logIn = (socket: TLSSocket): void => {
    socket.once('data', () => {
      const receipt = { messageType: 'loginReceipt', code: 0, heartbeat: 20, generation: '1' };
      socket.write(`${JSON.stringify(receipt)}\n`);
      sockets.push(socket);
    });
  };
  const sockets: TLSSocket[] = [];
  const port = await tlsServer(forThisHost, 0, logIn);
  client = new HuizhiClient({
    ...{ ...OPTIONS, address: { host: HOST, port, ca: forThisHost.cert } },
    timings: { reconnect: { baseMs: 10, maxMs: 50 } },
  });
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  await client.connect();
  const first = server;
  sockets[0]!.destroy();
  await closed(first);
  await tlsServer(forAnotherHost, port);
  await until('a refused certificate', () => errors.some((error) => error instanceof CertificateError));
  await closed(server);
  await tlsServer(forThisHost, port, logIn);
  await until('the login', () => client!.state === 'online');
});

/** A port without a listener. */
async function freePort(): Promise<number> {
  const taken = createTcpServer().listen(0, HOST);
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  await closed(taken);
  return port;
}
