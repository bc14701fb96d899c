import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from '@huizhi/dev-env';
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import WebSocket from 'ws';
import { newDataFolder, Up } from './support/up.js';

/** Set-up and start do not depend on the variables of the caller's shell. */

jest.setTimeout(240_000);

const run = promisify(execFile);
type Env = Record<string, string>;

interface Scripts {
  toolEnvironment(env: Env): Env;
  startEnvironment(env: Env): Env;
  installArguments: string[];
}
const script = join(projectRoot(), 'scripts/environment.mjs');
const { toolEnvironment, startEnvironment, installArguments } = (await import(pathToFileURL(script).href)) as Scripts;

/** Each of these variables breaks something when it is passed on. */
const HOSTILE: Env = {
  ...{ NODE_ENV: 'production', NODE_OPTIONS: '--max-old-space-size=1 --no-such-option', NODE_PATH: '/nowhere' },
  ...{ NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_USE_ENV_PROXY: '1', NODE_DEBUG: 'net', OPENSSL_CONF: '/no/such/file' },
  ...{ npm_config_omit: 'dev', npm_config_production: 'true', NPM_CONFIG_ONLY: 'prod', npm_config_global: 'true' },
  ...{
    npm_config_dry_run: 'true',
    npm_config_os: 'plan9',
    npm_config_workspace: 'x',
    npm_config_package_lock: 'false',
  },
  ...{ PGHOST: '192.0.2.1', PGPORT: '1', PGDATABASE: 'x', PGUSER: 'x', PGPASSWORD: 'x', PGSSLMODE: 'require' },
  ...{ PGOPTIONS: '-c search_path=x', PGDATA: '/nowhere', PGCONNECT_TIMEOUT: '1' },
  ...{ LANG: 'tr_TR.UTF-8', LC_ALL: 'no_SUCH', LC_NUMERIC: 'de_DE', TZ: 'Pacific/Kiritimati' },
  ...{ CI: 'true', FORCE_COLOR: '3', NO_COLOR: '1' },
};
/** Variables needed behind a proxy, and to reach a private registry. */
const KEPT: Env = {
  ...{ https_proxy: 'http://proxy:1', NO_PROXY: 'x', NODE_EXTRA_CA_CERTS: '/ca.pem', SSL_CERT_FILE: '/ca.pem' },
  ...{ npm_config_registry: 'http://127.0.0.1:1/', 'npm_config_@own:registry': 'http://127.0.0.1:2/' },
  ...{
    'npm_config_//127.0.0.1:2/:_authToken': 'x',
    npm_config_cafile: '/ca.pem',
    npm_config_https_proxy: 'http://proxy:1',
  },
  ...{ NPM_CONFIG_USERCONFIG: '/npmrc', npm_config_cache: '/cache', PATH: '/bin', HOME: '/home' },
};

describe('the environment of', () => {
  test('npm and the build holds only the variables needed to run and to reach a registry', () => {
    expect(toolEnvironment({ ...HOSTILE, ...KEPT, ANYTHING: 'else' })).toEqual(KEPT);
  });

  test('a start holds the services’ variables and NODE_ENV, but none that Node or PostgreSQL read', () => {
    const ours = {
      HZ_ALLOWED_ORIGINS: 'x',
      HZ_MIN_COMMIT_INTERVAL: '3ms',
      HZ_MESSAGE_DATABASE_URL: 'y',
      PATH: '/bin',
      NODE_EXTRA_CA_CERTS: '/ca',
    };
    const { NODE_ENV } = HOSTILE as { NODE_ENV: string };
    const rest = Object.fromEntries(Object.entries(HOSTILE).filter(([name]) => /^npm_config_/i.test(name)));
    expect(startEnvironment({ ...HOSTILE, ...ours })).toEqual({ ...rest, ...ours, NODE_ENV });
  });
});

describe('npm install as called by the set-up', () => {
  const folder = mkdtempSync(join(tmpdir(), 'huizhi-install-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('installs development packages regardless of the environment and ~/.npmrc', async () => {
    const { PATH = '' } = process.env;
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
    write('.npmrc', 'omit[]=dev\nomit[]=optional\nproduction=true\n');
    // Packages in this folder need no registry.
    for (const name of ['plain', 'dev', 'optional']) {
      await run('mkdir', ['-p', join(folder, 'project', name)]);
      write(`project/${name}/package.json`, JSON.stringify({ name, version: '1.0.0' }));
    }
    const named = (name: string): Env => ({ [name]: `file:./${name}` });
    const kinds = {
      dependencies: named('plain'),
      devDependencies: named('dev'),
      optionalDependencies: named('optional'),
    };
    write('project/package.json', JSON.stringify({ name: 'x', version: '1.0.0', ...kinds }));
    const env = toolEnvironment({ ...HOSTILE, PATH, HOME: folder });
    await run('npm', [...installArguments, '--offline'], { cwd: join(folder, 'project'), env });
    for (const name of ['plain', 'dev', 'optional']) {
      const file = join(folder, 'project/node_modules', name, 'package.json');
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ name });
    }
  });
});

describe('hz up in a shell with conflicting variables', () => {
  test('starts all services in development mode and accepts pages of a local dev server', async () => {
    const { NODE_OPTIONS: _, OPENSSL_CONF: __, ...env } = HOSTILE;
    // Node itself reads these two before any project code runs; the start script removes them.
    const dataDir = newDataFolder();
    const up = new Up(dataDir, env);
    try {
      await up.ready();
      await up.line(/NODE_ENV=production has no effect/);
      expect(up.output).toContain('step ok two-devices');
      expect(up.output).not.toContain('step failed');
      const { ports } = JSON.parse(readFileSync(join(dataDir, 'state.json'), 'utf8')) as {
        ports: Record<string, { client: number }>;
      };
      const ca = readFileSync(join(dataDir, 'tls', 'gateway-cert.pem'));
      const open = (origin: string): Promise<string> =>
        new Promise((resolve) => {
          const socket = new WebSocket(`wss://127.0.0.1:${ports['gateway-1']!.client}/ws`, { origin, ca });
          socket.on('open', () => resolve('open')).on('error', (error) => resolve(error.message));
          socket.on('open', () => socket.terminate());
        });
      expect(await open('http://localhost:5173')).toBe('open');
      expect(await open('https://[::1]:3000')).toBe('open');
      expect(await open('https://evil.example')).toContain('403');
    } finally {
      await up.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
