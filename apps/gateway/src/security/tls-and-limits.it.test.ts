import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { certificateFor, signToken, type Certificate, eventually } from '@huizhi/dev-env';
import { Clock } from '../testing/clock.js';
import { GatewayFixture, SECRET } from '../testing/gateway-fixture.js';

/** Connections before the login: TCP, TLS and bytes of other protocols. */

const fixture = GatewayFixture.forEachTest();
let folder: string;
let certificate: Certificate;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-doors-'));
  certificate = await certificateFor(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

const start = async (env: Record<string, string> = {}, clock: Pick<Clock, 'now'> = new Clock()): Promise<void> => {
  const { certFile, keyFile, ca } = certificate;
  await fixture.restart(
    { HZ_TLS: 'on', HZ_TLS_CERT_FILE: certFile, HZ_TLS_KEY_FILE: keyFile, ...env },
    { ca, now: clock.now },
  );
};

/** Connects by TCP only. */
async function tcp(): Promise<Socket> {
  const socket = connectTcp(fixture.gateway.port, '127.0.0.1');
  fixture.owns(socket);
  socket.on('error', () => undefined).resume();
  // The reset of a refused connection may be reported before its connect event.
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return socket;
}

async function tls(options: { minVersion?: SecureVersion; maxVersion?: SecureVersion } = {}): Promise<TLSSocket> {
  const { port } = fixture.gateway;
  // OpenSSL's default security level does not even offer such an old version.
  const ciphers = options.maxVersion === 'TLSv1.1' ? 'ALL:@SECLEVEL=0' : undefined;
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...options,
    ...(ciphers && { ciphers }),
  });
  fixture.owns(socket);
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  socket.on('error', () => undefined);
  return socket;
}

const gone = (socket: Socket): Promise<true> => eventually('the end of the connection', () => socket.destroyed);

async function works(user = 'bystander'): Promise<void> {
  const client = await fixture.login(user);
  client.send({ beatID: 'works' });
  await client.frame({ beatID: 'works' });
  client.destroy();
}

describe('a connection that does not get as far as a frame', () => {
  // The deadline leaves time for the login that shows that the gateway serves others.
  beforeEach(() => start({ HZ_LOGIN_DEADLINE: '2s' }));

  test('is ended at the deadline when it sends no byte of TLS', async () => {
    await gone(await tcp());
    await works();
  });

  test('is ended at the deadline when its TLS handshake does not end', async () => {
    const socket = await tcp();
    // The beginning of a record of 4,096 bytes that is never completed, although bytes keep coming.
    socket.write(Buffer.from([0x16, 0x03, 0x01, 0x10, 0x00, 0x01, 0x00, 0x0f, 0xfc]));
    const loris = setInterval(() => socket.writable && socket.write(Buffer.alloc(1)), 30);
    await gone(socket).finally(() => clearInterval(loris));
    await works();
  });
});

test('TLS and the login share one deadline', async () => {
  const clock = new Clock();
  await start({}, clock);
  const raw = await tcp();
  await eventually('the connection', () => fixture.gateway.accepted === 1);
  clock.turn(5_000);
  const socket = connectTls({ socket: raw, rejectUnauthorized: false });
  fixture.owns(socket);
  let said = '';
  socket.on('data', (bytes: Buffer) => (said += bytes.toString()));
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  // More than ten seconds after the connection began, but about five after TLS.
  clock.turn(5_100);
  await eventually('the close frame', () => said.includes('"loginTimeout"'));
});

describe('bytes that are not this protocol', () => {
  const noise: [string, Buffer][] = [
    ['plain JSON', Buffer.from('{"messageType":"login","fromUserID":"alice","versionCode":2}\n')],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['the preface of HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['an SSH banner', Buffer.from('SSH-2.0-OpenSSH_9.2p1\r\n')],
    ['gzip', Buffer.from('1f8b0800000000000003abae05004a7d86f302000000', 'hex')],
    ['zeros', Buffer.alloc(2_000)],
    ['a TLS record other than a handshake', Buffer.from([0x17, 0x03, 0x03, 0x00, 0x02, 0x00, 0x00])],
    ['an incomplete handshake', Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x03])],
  ];

  beforeEach(() => start({ HZ_LOGIN_DEADLINE: '2s' }));

  test.each(noise)('end a connection to the TLS port and no other: %s', async (_, bytes) => {
    const socket = await tcp();
    socket.write(bytes);
    await gone(socket);
    await works();
  });

  test('end a connection inside TLS with an error frame', async () => {
    for (const [what, bytes] of noise.filter(([name]) => !/JSON|HTTP/.test(name))) {
      const socket = await tls();
      let said = '';
      socket.on('data', (more: Buffer) => (said += more.toString()));
      socket.write(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
      expect([what, said.includes('"badFrame"')]).toEqual([what, true]);
    }
    await works();
  });

  test('end a connection with TLS inside TLS', async () => {
    const inner = connectTls({ socket: await tls(), rejectUnauthorized: false });
    fixture.owns(inner);
    const failed = new Promise((resolve) => inner.once('error', resolve));
    await expect(failed).resolves.toMatchObject({ message: expect.any(String) });
    await works();
  });
});

describe('TLS', () => {
  test('is accepted as 1.2 and 1.3, and refused as 1.1', async () => {
    await start();
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await tls({ minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
    }
    await expect(tls({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).rejects.toThrow(/protocol version|alert/i);
    await works();
  });

  test('is not renegotiated when a client asks', async () => {
    await start();
    const socket = await tls({ maxVersion: 'TLSv1.2' });
    const outcome = await new Promise((resolve) => {
      socket.once('error', resolve).once('close', () => resolve(new Error('closed')));
      socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error));
    });
    expect(outcome).toMatchObject({ message: expect.any(String) });
    await works();
  });

  const fingerprint = async (): Promise<string> => (await tls()).getPeerCertificate().fingerprint256;

  test('uses a renewed certificate for new connections once cert and key match, without effect on sessions', async () => {
    const live = mkdtempSync(join(tmpdir(), 'hz-doors-live-'));
    const [certFile, keyFile] = [join(live, 'cert.pem'), join(live, 'key.pem')];
    copyFileSync(certificate.certFile, certFile);
    copyFileSync(certificate.keyFile, keyFile);
    await start({ HZ_TLS_CERT_FILE: certFile, HZ_TLS_KEY_FILE: keyFile, HZ_TLS_RELOAD: '50ms' });
    const alice = await fixture.login('alice');
    const before = await fingerprint();
    const renewed = await certificateFor(mkdtempSync(join(live, 'renewed-')));

    for (const half of [
      () => writeFileSync(certFile, readFileSync(renewed.certFile).subarray(0, 200)),
      () => writeFileSync(certFile, readFileSync(renewed.certFile)),
    ]) {
      const looks = fixture.log.count('certificate.not-reloaded');
      half();
      await eventually('a check of the files', () => fixture.log.count('certificate.not-reloaded') > looks);
      expect(await fingerprint()).toBe(before);
    }
    copyFileSync(renewed.keyFile, `${keyFile}.new`);
    renameSync(`${keyFile}.new`, keyFile);
    await eventually('the renewed certificate', () => fixture.log.count('certificate.reloaded') > 0);
    expect(await fingerprint()).not.toBe(before);
    await expect(tls({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).rejects.toThrow();

    alice.send({ beatID: 'still here' });
    await alice.frame({ beatID: 'still here' });
    rmSync(live, { recursive: true });
  });
});

describe('the number of connections', () => {
  test('is limited; a closed connection frees its place and existing sessions continue', async () => {
    await start({ HZ_MAX_CONNECTIONS: '5', HZ_LOGIN_DEADLINE: '1m' });
    const alice = await fixture.login('alice');
    const held = await Promise.all([tcp(), tcp(), tcp(), tcp()]);
    await gone(await tcp());
    held[0]?.destroy();
    await eventually('room', () => fixture.gateway.accepted < 5);
    await works();
    alice.send({ beatID: 'still here' });
    await alice.frame({ beatID: 'still here' });
  });

  test('is limited per address, including unfinished handshakes', async () => {
    await start({ HZ_CONNECTIONS_PER_ADDRESS: '5', HZ_LOGIN_DEADLINE: '1m' });
    const alice = await fixture.login('alice');
    const held = await Promise.all([tcp(), tcp(), tcp(), tcp()]);
    await gone(await tcp());
    const other = connectTcp({ port: fixture.gateway.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    fixture.owns(other);
    const elsewhere = connectTls({ socket: other, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => elsewhere.once('secureConnect', resolve).once('error', reject));
    held[0]?.destroy();
    await eventually('room', () => fixture.gateway.accepted < 6);
    await works();
    alice.send({ beatID: 'still here' });
    await alice.frame({ beatID: 'still here' });
  });

  test('is limited per second and address, including closed connections; sessions and other addresses continue', async () => {
    let at = 1_000;
    await start({ HZ_CONNECTS_PER_SECOND: '1' }, { now: () => at });
    const alice = await fixture.login('alice');
    const other = await fixture.connect('127.0.0.2');
    for (let n = 1; n < 20; n++) {
      const socket = await tls();
      socket.destroy();
    }
    await eventually('the end of the connections', () => fixture.gateway.accepted === 2);
    await gone(await tcp());
    await fixture.connect('127.0.0.2');
    for (const client of [alice, await fixture.loginOn(other, 'bob')]) {
      client.send({ beatID: 'still here' });
      await client.frame({ beatID: 'still here' });
    }
    at += 1_000;
    await works();
    await gone(await tcp());
  });

  test('returns to zero after a flood of connections that are reset at once', async () => {
    await start({ HZ_CONNECTIONS_PER_ADDRESS: '50', HZ_LOGIN_DEADLINE: '1m' });
    for (let round = 0; round < 10; round++) {
      const some = await Promise.all(Array.from({ length: 50 }, () => tcp()));
      for (const socket of some) socket.resetAndDestroy();
      await eventually('the end of the connections', () => fixture.gateway.accepted === 0);
    }
    await works();
    expect(fixture.offline.opens).toHaveLength(1);
  });
});

test('the gateway stops without waiting for unfinished TLS handshakes', async () => {
  await start({ HZ_LOGIN_DEADLINE: '1h' });
  const socket = await tcp();
  await eventually('the connection', () => fixture.gateway.accepted === 1);
  await fixture.gateway.stop();
  await gone(socket);
});

test('the gateway distinguishes two connections from one port to two of its addresses', async () => {
  await start({ HZ_GATEWAY_HOST: '0.0.0.0' });
  const { port } = fixture.gateway;
  const from = { port, localAddress: '127.0.0.1' };
  const first = fixture.owns(connectTcp({ ...from, host: '127.0.0.1' }));
  await new Promise((resolve) => first.once('connect', resolve));
  const second = fixture.owns(connectTcp({ ...from, host: '127.0.0.2', localPort: first.localPort as number }));
  await new Promise((resolve) => second.once('connect', resolve));
  await eventually('both', () => fixture.gateway.accepted === 2);
  for (const socket of [first, second]) {
    const answered = await new Promise((resolve) => {
      const secured = connectTls({ socket, rejectUnauthorized: false });
      secured.on('error', () => undefined);
      secured.once('data', () => resolve(true)).once('close', () => resolve(false));
      secured.write('{}\n');
    });
    expect(answered).toBe(true);
  }
});

test('the gateway asks no other service when a login is not verified', async () => {
  await start();
  for (const token of [undefined, 'x', await signToken(SECRET, 'mallory')]) {
    const client = await fixture.connect();
    client.send({ messageType: 'login', fromUserID: 'alice', versionCode: 2, token });
    await client.closed();
  }
  expect([fixture.message.ensured, fixture.offline.opens]).toEqual([[], []]);
});
