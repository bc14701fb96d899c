import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createSchemas, dropDatabase, freePort, Nats, projectRoot, Service } from '@huizhi/dev-env';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { parse } from 'yaml';
import { newDataFolder } from './support/up.js';

/** Unusual passwords work unencoded with real servers, through the variables that docker-compose.yml sets. */

jest.setTimeout(120_000);

const PASSWORD = 'p@ss#w/o:rd %41?';
const SERVICES = ['message', 'offline'] as const;
const run = promisify(execFile);

const folder = newDataFolder();
let nats: Nats;
let admin: string;
let urls: Record<(typeof SERVICES)[number], string>;
const DATABASE = `odd_${process.pid}`;

beforeAll(async () => {
  admin = process.env['HZ_TEST_POSTGRES_URL']!;
  urls = await createSchemas(admin, DATABASE, { message: PASSWORD, offline: PASSWORD });
  const dataDir = join(folder, 'nats');
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'state.json'), JSON.stringify({ passwords: { message: PASSWORD, offline: PASSWORD } }));
  nats = await Nats.start({ dataDir });
}, 60_000);
afterAll(async () => {
  await nats?.stop();
  await dropDatabase(admin, DATABASE, SERVICES);
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The environment of a service from docker-compose.yml, with the servers of this test. */
async function composed(service: string): Promise<Record<string, string>> {
  type Compose = { services: Record<string, { environment: Record<string, string> }> };
  const { services } = parse(readFileSync(join(projectRoot(), 'docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as Compose;
  const name = service.replace('migrate-', '') as (typeof SERVICES)[number];
  const prefix = `HZ_${name.toUpperCase()}_DATABASE`;
  const { hostname, port, username } = new URL(urls[name]);
  const given: Record<string, string> = {
    [`${prefix}_HOST`]: hostname,
    [`${prefix}_PORT`]: port,
    [`${prefix}_NAME`]: DATABASE,
    [`${prefix}_USER`]: username,
    ...(service === name ? { HZ_NATS_HOST: nats.host, HZ_NATS_PORT: String(nats.port) } : {}),
    ...{ HZ_HTTP_HOST: '127.0.0.1', HZ_HTTP_PORT: String(await freePort()), NODE_ENV: 'test' },
  };
  const filled = Object.entries(services[service]!.environment).map(([key, value]) => [
    key,
    value.replace(/\$\{(\w+)(:[-?][^}]*)?\}/g, (_, variable: string, rest: string | undefined = '') =>
      variable.endsWith('PASSWORD') ? PASSWORD : rest.startsWith(':-') ? rest.slice(2) : '',
    ),
  ]);
  return { ...(Object.fromEntries(filled) as Record<string, string>), ...given };
}

test.each(SERVICES)('%s migrates and is ready when its passwords hold @ # / : % ? and a space', async (name) => {
  const { PATH = '' } = process.env;
  const migration = await composed(`migrate-${name}`);
  expect(Object.values(migration)).toContain(PASSWORD);
  await run(process.execPath, [join(projectRoot(), `dist/apps/${name}/src/migrate.js`)], {
    env: { PATH, ...migration },
  });
  const env = await composed(name);
  const service = new Service({ name, label: `${name}-odd`, env });
  await service.launch();
  try {
    await service.waitReady(60_000);
    // No log line shows the password, encoded or not.
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) {
      expect(service.logs.filter((line) => line.includes(secret))).toEqual([]);
    }
  } finally {
    await service.stop();
  }
});

test.each(SERVICES)(
  '%s refuses an unencoded password in its URLs, names the variables and hides the password',
  async (name) => {
    const prefix = `HZ_${name.toUpperCase()}_DATABASE`;
    const env = {
      HZ_HTTP_PORT: '0',
      [`${prefix}_URL`]: `postgresql://hz:${PASSWORD}@127.0.0.1:5432/huizhi`,
      HZ_NATS_URL: `nats://${name}:${PASSWORD}@127.0.0.1:4222`,
    };
    for (const file of ['main', 'migrate']) {
      const main = join(projectRoot(), `dist/apps/${name}/src/${file}.js`);
      const failure = await run(process.execPath, [main], { env }).then(
        () => '',
        (error: { stderr: string }) => error.stderr,
      );
      expect(failure).toContain(`${prefix}_URL: `);
      if (file === 'main') expect(failure).toContain('HZ_NATS_URL: ');
      expect(failure).toContain('percent-encode');
      expect(failure).not.toMatch(/p@ss|o:rd|%41|\bat /);
    }
  },
);

test('hz revoke reaches the bus by separate variables, and refuses an unencoded password in a URL', async () => {
  const hz = (env: Record<string, string>): Promise<string> =>
    run(process.execPath, [join(projectRoot(), 'dist/apps/cli/src/main.js'), 'revoke', 'alice'], { env }).then(
      ({ stdout }) => stdout,
      (error: { stderr: string }) => error.stderr,
    );
  const raw = await hz({ HZ_NATS_URL: `nats://offline:${PASSWORD}@${nats.host}:${nats.port}` });
  expect(raw).toMatch(/HZ_NATS_URL.*percent-encode/);
  expect(raw).not.toMatch(/p@ss|o:rd/);
  const parts = {
    HZ_NATS_HOST: nats.host,
    HZ_NATS_PORT: String(nats.port),
    HZ_NATS_USER: 'offline',
    HZ_NATS_PASSWORD: PASSWORD,
  };
  // The bus accepts the login; there is no service to answer.
  expect(await hz(parts)).not.toMatch(/cannot reach the bus/);
  expect(await hz({ ...parts, HZ_NATS_PASSWORD: 'wrong' })).toMatch(/cannot reach the bus/);
});
