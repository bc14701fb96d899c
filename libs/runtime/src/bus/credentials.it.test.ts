import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, freePort, requireBinary } from '@huizhi/dev-env';
import { permissionsOf } from '@huizhi/protocol';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { nkeys } from '@nats-io/transport-node';
import { RecordingLog } from '@huizhi/testing';
import { Bus, type BusOptions } from './bus.js';
import { credentialsProblems } from './nats-url.js';

/** Tests each kind of credentials on a real nats-server. */

let folder: string;
let port: number;
let server: ChildProcess | undefined;
const open: Bus[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-credentials-'));
  port = await freePort();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((bus) => bus.drain()));
  await stop();
  rmSync(folder, { recursive: true });
});

async function serve(config: string): Promise<void> {
  const file = write('nats.conf', `listen: "127.0.0.1:${port}"\n${config}\n`);
  server = spawn(requireBinary('natsServer'), ['--config', file], { stdio: 'ignore' });
  await once(server, 'spawn');
}

async function stop(): Promise<void> {
  const running = server;
  server = undefined;
  if (!running || running.exitCode !== null) return;
  const closed = once(running, 'close');
  running.kill('SIGKILL');
  await closed;
}

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function connect(options: Partial<BusOptions> = {}, credentials = ''): { bus: Bus; log: RecordingLog } {
  const log = new RecordingLog();
  const url = `nats://${credentials}127.0.0.1:${port}`;
  const bus = Bus.connect({ url, name: `b${open.length}`, service: 'offline', log, ...options });
  open.push(bus);
  return { bus, log };
}

/**
 * Sends a request to itself on a subject that `offline` may publish and subscribe. Its inbox must be permitted, too.
 */
async function works(bus: Bus): Promise<void> {
  await bus.ready(30_000);
  bus.subscribe('hz.session.revoke.1', (payload, _, reply) => reply && bus.respond(reply, payload));
  expect(Buffer.from(await bus.request('hz.session.revoke.1', 'ping', { timeoutMs: 10_000 })).toString()).toBe('ping');
}

const quoted = (subjects: string[]): string => subjects.map((subject) => `"${subject}"`).join(', ');
const { publish, subscribe } = permissionsOf('offline');
const PERMISSIONS = `permissions: { publish: { allow: [${quoted(publish)}] }, subscribe: { allow: [${quoted(subscribe)}] } }`;

const seedOf = (pair: ReturnType<typeof nkeys.createUser>): string => Buffer.from(pair.getSeed()).toString();

test('a bus authenticates with a token in its URL', async () => {
  await serve('authorization: { token: "s3cr/et" }');
  await works(connect({}, 's3cr%2Fet@').bus);
});

test('a bus authenticates with a user and a password in its URL', async () => {
  await serve(`authorization: { users: [ { user: "offline", password: "p@ss", ${PERMISSIONS} } ] }`);
  await works(connect({}, 'offline:p%40ss@').bus);
});

test('a bus authenticates with an NKey, and later with the NKey that replaced it in the file', async () => {
  const [before, after] = [nkeys.createUser(), nkeys.createUser()];
  const users = (pair: typeof before): string =>
    `authorization: { users: [ { nkey: ${pair.getPublicKey()}, ${PERMISSIONS} } ] }`;
  const nkeyFile = write('user.nk', `# the offline service\n${seedOf(before)}\n`);
  await serve(users(before));
  const { bus } = connect({ nkeyFile });
  await works(bus);
  await stop();
  write('user.nk', seedOf(after));
  await serve(users(after));
  await eventually('the bus to be back', () => bus.connected);
});

test('a bus authenticates with a credentials file', async () => {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const token = (issuer: typeof operator, subject: typeof operator, nats: object): string => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [iss, sub] = [issuer.getPublicKey(), subject.getPublicKey()];
    const claims = {
      jti: sub,
      iat: Math.floor(Date.now() / 1_000),
      iss,
      sub,
      name: 'test',
      nats: { ...nats, version: 2 },
    };
    const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(claims)}`;
    return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url')}`;
  };
  const limits = { subs: -1, data: -1, payload: -1 };
  const accountLimits = { ...limits, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  await serve(
    [
      `operator: ${token(operator, operator, { type: 'operator' })}`,
      'resolver: MEMORY',
      `resolver_preload: { ${account.getPublicKey()}: ${token(operator, account, { type: 'account', limits: accountLimits })} }`,
    ].join('\n'),
  );
  const rights = { pub: { allow: publish }, sub: { allow: subscribe } };
  const jwt = token(account, user, { type: 'user', ...limits, ...rights });
  const credsFile = write(
    'user.creds',
    [
      `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n`,
      `-----BEGIN USER NKEY SEED-----\n${seedOf(user)}\n------END USER NKEY SEED------\n`,
    ].join('\n'),
  );
  await works(connect({ credsFile }).bus);
});

test.each([
  ['HZ_NATS_URL', () => connect({}, 'wrong@')],
  ['HZ_NATS_URL', () => connect({}, 'offline:wrong@')],
  ['HZ_NATS_URL', () => connect()],
  ['HZ_NATS_NKEY_FILE', () => connect({ nkeyFile: write('other.nk', seedOf(nkeys.createUser())) })],
])(
  'refused credentials are reported with the variable %s, in a bounded number of log lines',
  async (variable, attempt) => {
    await serve('authorization: { token: "s3cr/et" }');
    const { bus, log } = attempt();
    const named = `NATS refuses the credentials: check ${variable}`;
    await eventually('the refusal', () => bus.problem.includes(named));
    await expect(bus.ready(2_000)).rejects.toThrow();
    const refusals = log.lines.filter(({ event }) => event === 'bus.refused');
    expect(refusals).toMatchObject([{ level: 'error', fields: { hint: named } }]);
  },
);

test('a refused bus connects when the server accepts its credentials later', async () => {
  await serve('authorization: { token: "other" }');
  const { bus } = connect({}, 'token@');
  await eventually('the refusal', () => bus.problem.includes('HZ_NATS_URL'));
  await stop();
  await serve('authorization: { token: "token" }');
  await eventually('the bus to connect', () => bus.connected);
  expect(bus.problem).toBe('ok');
});

describe('credentialsProblems', () => {
  const url = 'nats://h:4222';

  test('accepts usable credentials', () => {
    expect(credentialsProblems({ url })).toEqual([]);
    expect(credentialsProblems({ url: 'nats://u:p@h' })).toEqual([]);
    expect(credentialsProblems({ url, nkeyFile: write('a.nk', seedOf(nkeys.createUser())) })).toEqual([]);
  });

  test('names the variable of a file that is missing or has other content', () => {
    const text = write('secret.txt', 'hunter2');
    for (const [variable, file] of [
      ['HZ_NATS_NKEY_FILE', { nkeyFile: join(folder, 'none') }],
      ['HZ_NATS_NKEY_FILE', { nkeyFile: text }],
      ['HZ_NATS_NKEY_FILE', { nkeyFile: write('account.nk', seedOf(nkeys.createAccount())) }],
      ['HZ_NATS_CREDS_FILE', { credsFile: join(folder, 'none') }],
      ['HZ_NATS_CREDS_FILE', { credsFile: text }],
    ] as const) {
      const problems = credentialsProblems({ url, ...file });
      expect(problems).toMatchObject([{ variable, problem: expect.stringContaining('cannot be used') }]);
      expect(JSON.stringify(problems)).not.toContain('hunter2');
    }
  });

  test('refuses two kinds of credentials at once', () => {
    const nkeyFile = write('a.nk', seedOf(nkeys.createUser()));
    expect(credentialsProblems({ url: 'nats://token@h', nkeyFile })).toEqual([
      { variable: 'HZ_NATS_NKEY_FILE', problem: 'give one of credentials in HZ_NATS_URL, HZ_NATS_NKEY_FILE' },
    ]);
  });
});
