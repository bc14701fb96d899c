import { certificateFor, DevEnv, freePort, projectRoot } from '@huizhi/dev-env';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs the built command `hz` with correct and wrong arguments. */
const HZ = join(projectRoot(), 'dist/apps/cli/src/main.js');
/** Milliseconds of CPU time of `hz --help`, without that of Node itself. */
const HELP_MS = 300;
/** "At once" in milliseconds on a busy machine; earlier versions waited 10 s. */
const SOON_MS = 8_000;

interface Ran {
  code: number;
  out: string;
  err: string;
  ms: number;
}

let system: DevEnv;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-hz-'));
  system = await DevEnv.start();
}, 120_000);
afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function node(args: readonly string[]): Promise<Ran> {
  const start = performance.now();
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { timeout: 60_000 }, (_error, out, err) => {
      resolve({ code: child.exitCode ?? -1, out, err, ms: performance.now() - start });
    });
  });
}

const hz = (...args: string[]): Promise<Ran> => node([HZ, ...args]);

/** Prints the CPU time of the process, which depends much less on other load than the elapsed time. */
const METER = `process.on('exit', () => { const { user, system } = process.cpuUsage(); process.stderr.write('cpu ' + (user + system) / 1000); })`;

async function cpuMs(...args: string[]): Promise<number> {
  const used: number[] = [];
  for (let n = 0; n < 5; n++) {
    const { code, err } = await node(['--import', `data:text/javascript,${METER}`, ...args]);
    expect(code).toBe(0);
    used.push(Number(/cpu ([\d.]+)$/.exec(err)?.[1]));
  }
  return used.sort((a, b) => a - b)[2]!;
}

test('hz --help lists the commands and uses at most 300 ms more CPU time than Node itself', async () => {
  const { code, out } = await hz('--help');
  expect(code).toBe(0);
  expect(out).toMatch(/up[^]*demo[^]*chat <user>[^]*token <user>[^]*revoke <user>[^]*check-config/);
  expect((await cpuMs(HZ, '--help')) - (await cpuMs('-e', '0'))).toBeLessThan(HELP_MS);
});

describe('hz check-config', () => {
  const good = {
    HZ_NATS_URL: 'nats://gateway:hunter2@nats:4222',
    HZ_HTTP_PORT: '8080',
    HZ_TLS: 'off',
    HZ_JWT_SECRET: 'hunter2'.repeat(5),
  };
  const check = async (variables: Record<string, string>, ...more: string[]): Promise<Ran> => {
    const file = join(folder, 'variables.env');
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    writeFileSync(file, lines.join('\n'));
    return hz('check-config', 'gateway', '--file', file, ...more);
  };

  test('explains each variable that is set, shows no secret, and ends with code 0 when the service would start', async () => {
    const { code, out } = await check(good);
    expect(out).toContain('gateway would start');
    expect(out).toMatch(/HZ_NATS_URL {2}nats:\/\/\[secret\]@nats:4222 {2}\(set\)\n +\w+/);
    expect(out).not.toContain('hunter2');
    expect(out).not.toContain('HZ_WINDOW');
    expect(code).toBe(0);
  });

  test('shows the defaults with --all', async () => {
    expect((await check(good, '--all')).out).toMatch(/HZ_SEND_TIMEOUT {2}30s {2}\(default\)/);
  });

  test('names every wrong or unknown variable and ends with code 1 when the service would not start', async () => {
    const { code, out } = await check({ ...good, HZ_WINDOW: '0', HZ_WINDW: '5', MESSAGE_LANES: '3' });
    expect(out).toContain('gateway would not start');
    expect(out).toContain('HZ_WINDOW: must be');
    expect(out).toContain('HZ_WINDW is no variable of a service: did you mean HZ_WINDOW?');
    expect(out).toContain('MESSAGE_LANES is no variable of a service: did you mean HZ_MESSAGE_LANES?');
    expect(code).toBe(1);
  });
});

describe('hz ends with code 1 and a hint when', () => {
  test.each<[string, string[], RegExp]>([
    ['it has no arguments', [], /Usage: hz[^]*Commands:/],
    ['the command is unknown', ['chatt'], /unknown command 'chatt'[^]*Did you mean chat\?[^]*--help/],
    ['an option is unknown', ['demo', '--prot', '1'], /unknown option '--prot'[^]*Did you mean --port\?[^]*--help/],
    ['an option has no value', ['demo', '--port'], /option '--port <port>' argument missing/],
    ['chat has no user', ['chat'], /missing required argument 'user'[^]*--help/],
    ['the port is not a number', ['demo', '--data', '/nowhere', '--port', 'x'], /--port: must be between 1 and 65535/],
    ['the mode is unknown', ['demo', '--mode', 'udp'], /--mode.*Allowed choices are lines, frames, websocket/],
    [
      'the data folder does not exist',
      ['demo', '--data', '/nowhere'],
      /cannot read \/nowhere\/state\.json: .*--data and --port/,
    ],
    ['there is no secret', ['token', 'alice', '--data', '/nowhere'], /\/nowhere.*--token-secret-file/],
    ['a service is unknown', ['check-config', 'gatway'], /Allowed choices are gateway, message/],
    ['the file of variables does not exist', ['check-config', '--file', '/nowhere'], /--file: cannot read \/nowhere/],
    [
      'the bus address is not a URL',
      ['revoke', 'alice', '--nats', 'nowhere'],
      /\(--nats, HZ_NATS_URL\) must begin with nats/,
    ],
  ])('%s', async (_, args, text) => {
    const { code, err } = await hz(...args);
    expect(err).toMatch(text);
    expect(err).not.toMatch(/\n +at /);
    expect(code).toBe(1);
  });
});

describe('a developer tool ends with code 1 and a hint when', () => {
  test.each<[string, string, string[], RegExp]>([
    ['a log does not exist', 'history-checker', ['/nowhere/log'], /\/nowhere\/log/],
    ['a duration is not a positive number', 'fuzz', ['--minutes', '-1'], /--minutes.*must be a number above 0/],
    ['a mode of the bench is unknown', 'load', ['nonsense'], /nonsense is not a mode/],
  ])('%s', async (_, tool, args, text) => {
    const { code, err } = await node([join(projectRoot(), `dist/tools/${tool}/src/main.js`), ...args]);
    expect(err).toMatch(text);
    expect(err).not.toMatch(/\n +at /);
    expect(code).toBe(1);
  });
});

describe.each(['demo', 'chat'])('hz %s ends soon with code 1 when', (name) => {
  const run = async (...more: string[]): Promise<Ran> => {
    const { host, port } = system.address;
    const user = name === 'chat' ? ['alice'] : [];
    return hz(name, ...user, '--data', system.dataDir, '--host', host, '--port', String(port), ...more);
  };
  const expectError = ({ code, err, ms }: Ran, text: RegExp): void => {
    expect(err).toMatch(text);
    expect(code).toBe(1);
    expect(ms).toBeLessThan(SOON_MS);
  };

  test('no server listens at the port', async () => {
    const port = await freePort();
    const text = new RegExp(`cannot connect to 127.0.0.1:${port}: connection refused[^]*--port`);
    expectError(await run('--port', String(port)), text);
  });

  test('the certificate is from another authority', async () => {
    const { certFile } = await certificateFor(join(folder, name));
    expectError(await run('--ca', certFile), /certificate of 127\.0\.0\.1:\d+ is not accepted[^]*--ca/);
  });

  test('the secret is wrong', async () => {
    const file = join(folder, 'secret');
    writeFileSync(file, 'another secret that is long enough for HS256\n');
    expectError(await run('--token-secret-file', file), /badToken[^]*--token-secret-file/);
  });

  test('the port uses TLS and the command does not', async () => {
    expectError(await run('--no-tls'), /cannot connect to[^]*--no-tls/);
  });
});
