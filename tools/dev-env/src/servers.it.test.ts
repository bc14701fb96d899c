import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createSchemas, dropDatabase } from './database.js';
import { eventually } from './eventually.js';
import { Nats } from './nats.js';
import { identityOf } from './pid-file.js';
import { Postgres } from './postgres.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-servers-'));
  chmodSync(folder, 0o711);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function isRunning(pid: number): boolean {
  return identityOf(pid) !== undefined;
}

describe('Postgres', () => {
  let postgres: Postgres;
  beforeAll(async () => {
    postgres = await Postgres.start({ dataDir: join(folder, 'postgres') });
  }, 60_000);
  afterAll(() => postgres.stop());

  it('commits durably, listens on 127.0.0.1 only and requires its password', async () => {
    const settings = ['fsync', 'synchronous_commit', 'listen_addresses', 'max_connections'];
    const rows = await query(
      postgres.url('postgres'),
      `select current_setting(s) v from unnest('{${settings.join(',')}}'::text[]) s`,
    );
    expect(rows).toEqual(['on', 'on', '127.0.0.1', '200'].map((v) => ({ v })));
    const stateFile = join(folder, 'postgres', 'state.json');
    expect(statSync(stateFile).mode & 0o777).toBe(0o600);
    await expect(query(postgres.url('postgres', { name: 'huizhi_admin', password: 'x' }), 'select 1')).rejects.toThrow(
      'password authentication failed',
    );
  });

  it('keeps committed data and its port after kill9 and restart', async () => {
    await postgres.createDatabase('kept');
    await postgres.createDatabase('kept');
    await query(postgres.url('kept'), 'create table t as select 42 as n');
    const { port } = postgres;
    const pids = postgres.pids();
    expect(pids.length).toBeGreaterThan(3);
    await postgres.kill9();
    expect(pids.filter(isRunning)).toEqual([]);
    expect(postgres.pid).toBeUndefined();
    await postgres.restart();
    expect(postgres.port).toBe(port);
    expect(await query(postgres.url('kept'), 'select n from t')).toEqual([{ n: 42 }]);
  }, 60_000);

  it('restarts when another program has the pid of the killed server', async () => {
    const file = join(folder, 'postgres', 'cluster', 'postmaster.pid');
    // The process must be of the same user: PostgreSQL ignores processes of other users.
    const { uid, gid } = statSync(file);
    const other = spawn('sleep', ['600'], { stdio: 'ignore', uid, gid });
    try {
      await postgres.kill9();
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(other.pid)));
      await postgres.restart();
      expect(await query(postgres.url('postgres'), 'select 1 as n')).toEqual([{ n: 1 }]);
      expect(other.exitCode).toBeNull();
    } finally {
      other.kill('SIGKILL');
    }
  }, 120_000);

  it('reports a crash, but no requested restart', async () => {
    let crashes = 0;
    postgres.onCrash(() => crashes++);
    await postgres.restart();
    expect(crashes).toBe(0);
    process.kill(postgres.pid as number, 'SIGKILL');
    await eventually('the crash', () => crashes === 1);
    await postgres.restart();
  }, 60_000);

  it('gives each schema a role that cannot enter another', async () => {
    const admin = postgres.url('postgres');
    const urls = await createSchemas(admin, 'roles', { message: 'a', offline: 'b' });
    expect(await createSchemas(admin, 'roles', { message: 'a', offline: 'b' })).toEqual(urls);
    await query(urls.message, 'create table secret (n int)');
    expect(
      await query(
        admin.replace(/postgres$/, 'roles'),
        'select tableowner, schemaname from pg_tables where tablename = $$secret$$',
      ),
    ).toEqual([{ tableowner: 'hz_roles_message', schemaname: 'message' }]);
    await expect(query(urls.offline, 'select * from message.secret')).rejects.toThrow(
      'permission denied for schema message',
    );
    await expect(query(urls.offline, 'create table public.t (n int)')).rejects.toThrow('permission denied');
    await expect(query(urls.offline, 'create schema other')).rejects.toThrow('permission denied');
    await expect(query(urls.offline.replace(/roles$/, 'kept'), 'select 1')).resolves.toBeDefined();
    await dropDatabase(admin, 'roles', ['message', 'offline']);
    await dropDatabase(admin, 'roles', ['message', 'offline']);
    expect(await query(admin, `select rolname from pg_roles where rolname like 'hz_roles%'`)).toEqual([]);
  });
});

describe('Nats', () => {
  it('restarts on the same port with the same credentials', async () => {
    const dataDir = join(folder, 'nats');
    const nats = await Nats.start({ dataDir });
    const url = nats.url();
    const pid = nats.pid as number;
    await nats.kill9();
    expect(isRunning(pid)).toBe(false);
    await nats.restart();
    expect(nats.url()).toBe(url);
    expect(nats.pid).not.toBe(pid);
    await nats.stop();
    expect(nats.pid).toBeUndefined();
    expect(statSync(join(dataDir, 'nats.conf')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(dataDir, 'nats.log'), 'utf8')).toContain('Server is ready');
    const second = await Nats.start({ dataDir });
    expect(second.url()).toBe(url);
    await second.stop();
  }, 30_000);
});
