import { HuizhiClient } from '@huizhi/client';
import { DevEnv, eventually, freePort, Nats, projectRoot, requireBinary } from '@huizhi/dev-env';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { CHROMIUM_ARGS } from './support/browser.js';

/** What leaves the repository: the SDK as a tarball, and the services with their own dependencies. */

const exec = promisify(execFile);
const VITE = 'vite@8.4.0';
const INSTALL = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--silent'];
const DEADLINE_MS = 300_000;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-packages-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const inRoot = (script: string, ...args: string[]): Promise<{ stdout: string }> =>
  exec(process.execPath, [join(projectRoot(), 'scripts', script), ...args]);

const npm = (cwd: string, ...args: string[]): Promise<unknown> => exec('npm', [...INSTALL, ...args], { cwd });

function project(name: string, files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(folder, `${name}-`));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

describe('the tarball of the SDK', () => {
  let tarball: string;
  let system: DevEnv;

  beforeAll(async () => {
    tarball = (await inRoot('pack-client.mjs', join(folder, 'tarball'))).stdout.trim();
    system = await DevEnv.start({ env: { gateway: { HZ_TLS: 'off', HZ_ALLOWED_ORIGINS: 'http://127.0.0.1:*' } } });
    // Messages are accepted for users that have logged in once.
    const { host, port } = system.address;
    const bob = { user: 'bob', deviceID: 'd', token: await system.token('bob') };
    const client = new HuizhiClient({ address: `tcp://${host}:${port}`, ...bob });
    await client.connect();
    await client.close();
  }, DEADLINE_MS);
  afterAll(() => system?.stop(), 60_000);

  const program = (entry: string): string => `
    import { HuizhiClient } from '${entry}';
    export async function run(address: string, token: string): Promise<number> {
      const client = new HuizhiClient({ address, user: 'alice', deviceID: 'd', token });
      await client.connect();
      const { seq } = await client.sendText({ user: 'bob' }, 'hello').receipt;
      await client.close();
      return seq;
    }`;

  async function typeCheck(cwd: string, options: object): Promise<void> {
    const strict = {
      noEmit: true,
      strict: true,
      target: 'es2022',
      lib: ['es2023', 'dom'],
      types: [],
      skipLibCheck: true,
    };
    writeFileSync(
      join(cwd, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...strict, ...options }, files: ['main.ts'] }),
    );
    const compiler = join(projectRoot(), 'node_modules/typescript/bin/tsc');
    await exec(process.execPath, [compiler], { cwd }).catch(({ stdout }: { stdout: string }) => {
      throw new Error(stdout);
    });
  }

  test(
    'installs into an empty Node project, type-checks there and sends a message',
    async () => {
      const path = project('node', {
        'package.json': '{"type":"module","private":true}',
        'main.ts': program('@huizhi/client'),
        'main.mjs': `${program('@huizhi/client').replace(/: (string|Promise<number>)/g, '')}
          console.log(await run(process.argv[2], process.argv[3]));`,
      });
      await npm(path, tarball);
      await typeCheck(path, { module: 'nodenext', moduleResolution: 'nodenext' });
      const { host, port } = system.address;
      const { stdout } = await exec(
        process.execPath,
        ['main.mjs', `tcp://${host}:${port}`, await system.token('alice')],
        { cwd: path },
      );
      expect(stdout.trim()).toMatch(/^[1-9]\d*$/);
    },
    DEADLINE_MS,
  );

  test(
    'installs into an empty Vite project, type-checks there, and its page sends a message',
    async () => {
      const path = project('vite', {
        'package.json': '{"type":"module","private":true}',
        'index.html': '<!doctype html><title>waiting</title><script type="module" src="/page.ts"></script>',
        'main.ts': program('@huizhi/client'),
        'page.ts': `import { run } from './main.js';
          const [address, token] = location.hash.slice(1).split('|').map(decodeURIComponent);
          run(address, token).then((seq) => (document.title = 'seq ' + seq), (error) => (document.title = String(error)));`,
      });
      await npm(path, tarball, VITE);
      await typeCheck(path, { module: 'esnext', moduleResolution: 'bundler', customConditions: ['browser'] });
      await exec(process.execPath, [join(path, 'node_modules/vite/bin/vite.js'), 'build'], { cwd: path });
      const { host, port } = system.address;
      const parts = [`ws://${host}:${port}`, await system.token('alice')];
      expect(await titleOf(join(path, 'dist'), parts.map(encodeURIComponent).join('|'))).toMatch(/^seq [1-9]\d*$/);
    },
    DEADLINE_MS,
  );

  /** The title of the built page, once it is not `waiting`. */
  async function titleOf(site: string, hash: string): Promise<string> {
    const server = createServer((request, response) => {
      const file = request.url === '/' ? 'index.html' : (request.url ?? '').slice(1);
      response.setHeader('content-type', file.endsWith('.js') ? 'text/javascript' : 'text/html');
      readFile(join(site, file)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    }).listen(0, '127.0.0.1');
    const browser = await chromium.launch({ executablePath: requireBinary('chromium'), args: CHROMIUM_ARGS });
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/#${hash}`);
      await page.waitForFunction(
        () => (globalThis as unknown as { document: { title: string } }).document.title !== 'waiting',
        undefined,
        { timeout: 60_000 },
      );
      return await page.title();
    } finally {
      await browser.close();
      server.closeAllConnections();
      server.close();
    }
  }
});

describe('the files of an image', () => {
  async function collected(...services: string[]): Promise<{ path: string; packages: string[] }> {
    const path = project('image', {});
    await inRoot('collect-service.mjs', path, ...services);
    await npm(path, '--omit=dev', '--workspaces');
    return { path, packages: readdirSync(join(path, 'node_modules')) };
  }

  test(
    'the gateway starts with its own dependencies, without TypeORM and pg',
    async () => {
      const { path, packages } = await collected('gateway');
      expect(packages.filter((name) => /^(typeorm|pg.*|jest|typescript|commander)$/.test(name))).toEqual([]);
      expect(existsSync(join(path, 'dist/libs/database'))).toBe(false);
      const nats = await Nats.start({ dataDir: join(path, 'nats') });
      const port = await freePort();
      const env = { HZ_NATS_URL: nats.url(), HZ_HTTP_PORT: String(port), HZ_TLS: 'off', HZ_JWT_SECRET: 'x'.repeat(32) };
      const gateway = spawn(process.execPath, ['dist/apps/gateway/src/main.js'], {
        cwd: path,
        env: { PATH: process.env['PATH'], HZ_GATEWAY_PORT: '0', ...env },
        stdio: 'ignore',
      });
      try {
        const isReady = (): Promise<boolean> =>
          fetch(`http://127.0.0.1:${port}/readyz`).then(
            ({ ok }) => ok,
            () => false,
          );
        await eventually('the gateway to be ready', isReady, 60_000);
      } finally {
        gateway.kill('SIGKILL');
        await nats.stop();
      }
    },
    DEADLINE_MS,
  );

  test(
    'the image of the offline service has its migration and the command hz',
    async () => {
      const { path } = await collected('offline', 'cli');
      const run = (file: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> =>
        exec(process.execPath, [join(path, 'dist/apps', file), ...args], {
          env: { PATH: process.env['PATH'] },
        }).catch((error: { stdout: string; stderr: string }) => error);
      expect((await run('offline/src/migrate.js')).stderr).toContain('HZ_OFFLINE_DATABASE_URL: is required');
      expect((await run('cli/src/main.js', 'revoke', 'alice', '--nats', 'nats://127.0.0.1:1')).stderr).toContain(
        '--nats',
      );
    },
    DEADLINE_MS,
  );
});
