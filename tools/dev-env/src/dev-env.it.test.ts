import { afterAll, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import pg from 'pg';
import { certificateFor } from './certificate.js';
import { DevEnv } from './dev-env.js';
import { DataFolderInUseError } from './lock.js';
import type { DevEnvOptions } from './options.js';
import { identityOf } from './pid-file.js';
import { makeTestDatabase } from './test-database.js';

// The services have tests in test/; these tests cover the servers around them.
const NO_SERVICES = { gateway: 0, message: 0, offline: 0 };

const folder = mkdtempSync(join(tmpdir(), 'huizhi-it-'));
chmodSync(folder, 0o711);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function currentUser(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ role: string }>(`select current_user || '@' || current_schema as role`);
    return rows[0]?.role ?? '';
  } finally {
    await client.end();
  }
}

describe('DevEnv', () => {
  it('starts and stops its own servers, and keeps its state when it starts again', async () => {
    const options = { dataDir: join(folder, 'data'), postgres: 'own', instances: NO_SERVICES };
    const first = await DevEnv.start(options);
    expect(await currentUser(first.databaseUrl('message'))).toBe('hz_huizhi_message@message');
    expect(await currentUser(first.databaseUrl('offline'))).toBe('hz_huizhi_offline@offline');
    await expect(DevEnv.start(options)).rejects.toThrow(DataFolderInUseError);

    const pids = [first.postgres?.pid, first.nats?.pid] as number[];
    const secret = (): string => (JSON.parse(readFileSync(stateFile, 'utf8')) as { jwtSecret: string }).jwtSecret;
    const stateFile = join(folder, 'data', 'state.json');
    expect(statSync(stateFile).mode & 0o777).toBe(0o600);
    const key = new TextEncoder().encode(secret());
    const { payload } = await jwtVerify(await first.token('alice', { expiresIn: '1h' }), key);
    expect(payload.sub).toBe('alice');
    await expect(jwtVerify(await first.token('alice', { expiresIn: -10 }), key)).rejects.toThrow('"exp"');
    const url = first.databaseUrl('message');
    await first.stop();
    await first.stop();
    expect(pids.map(identityOf)).toEqual([undefined, undefined]);

    const second = await DevEnv.start(options);
    expect(second.databaseUrl('message')).toBe(url);
    expect(new TextEncoder().encode(secret())).toEqual(key);
    await second.stop();
  }, 60_000);

  it('removes a temporary data folder, and its database in a shared server, when it stops', async () => {
    const host = await DevEnv.start({ postgres: 'own', instances: NO_SERVICES });
    const guest = await DevEnv.start({ postgres: host.postgres as never, instances: NO_SERVICES });
    expect(await currentUser(guest.databaseUrl('offline'))).toMatch(/^hz_t_[0-9a-f]{12}_offline@offline$/);
    await guest.stop();
    await expect(currentUser(guest.databaseUrl('offline'))).rejects.toThrow('password authentication failed');
    await host.stop();
    expect([host.dataDir, guest.dataDir].filter(existsSync)).toEqual([]);
  }, 60_000);

  it('connects to a gateway on its listen address with a certificate for that address', async () => {
    const env = (host: string): DevEnvOptions => ({ env: { gateway: { HZ_GATEWAY_HOST: host } } });
    for (const [listens, reached] of [
      ['127.0.0.2', '127.0.0.2'],
      ['0.0.0.0', '127.0.0.1'],
    ] as const) {
      const system = await DevEnv.start({ ...env(listens), dataDir: join(folder, 'elsewhere') });
      try {
        expect(system.address.host).toBe(reached);
        const socket = connect(system.address);
        await once(socket, 'secureConnect');
        socket.destroy();
      } finally {
        await system.stop();
      }
    }
  }, 60_000);

  it('throws an error that names the missing part when a part was not started', async () => {
    const empty = await DevEnv.start({
      databaseUrls: { message: 'postgresql://m@127.0.0.1/x', offline: 'postgresql://o@127.0.0.1/x' },
      nats: 'nats://u:p@127.0.0.1:1',
      instances: NO_SERVICES,
    });
    expect(() => empty.gateway()).toThrow('there is no gateway number 0');
    expect(() => empty.proxy('message.nats')).toThrow("throughProxy: ['message.nats']");
    expect([empty.postgres, empty.nats]).toEqual([undefined, undefined]);
    await empty.stop();
  });
});

describe('certificateFor', () => {
  it('makes one certificate for localhost with a private key file, and reuses it', async () => {
    const made = await certificateFor(join(folder, 'tls'));
    expect(statSync(made.keyFile).mode & 0o777).toBe(0o600);
    expect(made.ca).toContain('BEGIN CERTIFICATE');
    expect(await certificateFor(join(folder, 'tls'))).toEqual(made);
  });
});

describe('makeTestDatabase', () => {
  it('creates a database, which drop() removes', async () => {
    const { url, drop } = await makeTestDatabase('message');
    expect(await currentUser(url)).toMatch(/_message@message$/);
    await drop();
    await expect(currentUser(url)).rejects.toThrow('password authentication failed');
  });

  it('throws an error that names npm test when there is no server', async () => {
    const url = process.env['HZ_TEST_POSTGRES_URL'];
    delete process.env['HZ_TEST_POSTGRES_URL'];
    try {
      await expect(makeTestDatabase('message')).rejects.toThrow('npm test');
    } finally {
      process.env['HZ_TEST_POSTGRES_URL'] = url;
    }
  });
});
