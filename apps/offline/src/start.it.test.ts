import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort, makeTestDatabase, Nats, Service, TcpProxy, type TestDatabase } from '@huizhi/dev-env';
import pg from 'pg';
import { prepareDatabase } from './migrations/prepare.js';
import { LANES, HZ_MESSAGE_LANES, until } from './testing/offline-fixture.js';

/** The real process, before its dependencies are ready. */
describe('the start of the offline service', () => {
  let folder: string;
  let nats: Nats;
  let database: TestDatabase;
  let proxy: TcpProxy;
  let service: Service;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hz-start-'));
    nats = await Nats.start({ dataDir: folder });
    database = await makeTestDatabase('offline');
    const url = new URL(database.url);
    proxy = await TcpProxy.start({ target: { host: url.hostname, port: Number(url.port) } });
    url.host = `${proxy.host}:${proxy.port}`;
    service = new Service({
      name: 'offline',
      label: 'offline-1',
      env: {
        NODE_ENV: 'test',
        HZ_NATS_URL: nats.urlOf('offline'),
        HZ_HTTP_PORT: String(await freePort()),
        HZ_OFFLINE_DATABASE_URL: url.href,
        HZ_OFFLINE_LANES: String(LANES),
        HZ_MESSAGE_LANES: String(HZ_MESSAGE_LANES),
      },
    });
  }, 30_000);
  afterEach(async () => {
    await service.kill9();
    await proxy.stop();
    await nats.stop();
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  const migrate = (): Promise<string[]> =>
    prepareDatabase({ url: database.url, applicationName: 'test', lanes: LANES, messageLanes: HZ_MESSAGE_LANES });

  test('fails and names the command to run when a database that came late has not been migrated', async () => {
    await proxy.cut();
    await service.launch();
    await until(() => answers(service), 'the process to listen');
    await proxy.heal();
    await until(() => !service.running, 'the process to end');
    expect((await service.exited).code).toBe(1);
    expect(service.logs.join('\n')).toContain('node dist/apps/offline/src/migrate.js');
  }, 60_000);

  test('is repeated after a temporary error, and the service becomes ready', async () => {
    await migrate();
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    try {
      await admin.query('alter table offline.meta rename to meta_away');
      await service.launch();
      await until(() => service.logs.some((line) => line.includes('service.waiting')) || !service.running, 'a failure');
      await admin.query('alter table offline.meta_away rename to meta');
      await service.waitReady();
    } finally {
      await admin.end();
    }
  }, 60_000);
});

const answers = (service: Service): Promise<boolean> =>
  fetch(`${service.baseUrl}/livez`).then(
    ({ ok }) => ok,
    () => false,
  );
