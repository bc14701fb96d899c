import { execFile } from 'node:child_process';
import { chownSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { requireBinary } from './binaries.js';
import { eventually } from './eventually.js';
import { isAlive, identityOf } from './pid-file.js';
import { freePort } from './ports.js';
import { makeClusterFolder, postgresFolder, removeStalePid, type PostgresFolder } from './postgres-folder.js';
import { ManagedProcess, type Exit } from './process.js';
import { descendants } from './process-tree.js';
import { randomSecret, readState, writeState } from './state.js';

export interface PostgresOptions {
  /** Folder of its files and of the state file (mode 0600) with the superuser's password. Created if missing. */
  dataDir: string;
  /** Default: the port of the last start in this folder if it is free, otherwise any free port. */
  port?: number;
  /** Additional `-c name=value` settings; they override the defaults below. */
  settings?: Record<string, string>;
  /** Receives a sentence with the location of the files when they cannot be in `dataDir` (see PostgresFolder). */
  note?: (text: string) => void;
}

interface PostgresState {
  port: number;
  password: string;
}

const SUPERUSER = 'huizhi_admin';
// Recovery after a kill can take long; a server that does not answer for a minute has failed.
const START_MS = 60_000;
const STOP_MS = 20_000;

const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  fsync: 'on',
  synchronous_commit: 'on',
  timezone: 'UTC',
  log_min_messages: 'warning',
};

const run = promisify(execFile);

/** A PostgreSQL server: 127.0.0.1 only, passwords (scram), durable commits. */
export class Postgres {
  readonly host = '127.0.0.1';
  #process: ManagedProcess | undefined;
  #crashListener: ((exit: Exit) => void) | undefined;

  private constructor(
    private readonly options: PostgresOptions,
    private readonly folder: PostgresFolder,
    private readonly state: PostgresState,
  ) {}

  /**
   * Creates the cluster on first use (about a second). Resolves when the server answers; rejects with its last log
   * lines.
   */
  static async start(options: PostgresOptions): Promise<Postgres> {
    const folder = postgresFolder(options.dataDir);
    if (folder.note) options.note?.(folder.note);
    const stateFile = join(options.dataDir, 'state.json');
    const cluster = join(folder.home, 'cluster');
    const saved = existsSync(cluster) ? readState<PostgresState>(stateFile) : undefined;
    if (existsSync(cluster) && !saved) {
      throw new Error(
        `${cluster} is there but ${stateFile}, with its password, is not: restore it or remove the cluster`,
      );
    }
    const state = { port: options.port ?? (await freePort(saved?.port)), password: saved?.password ?? randomSecret() };
    writeState(stateFile, state);
    if (!saved) await createCluster(cluster, folder.user, state.password);
    const postgres = new Postgres(options, folder, state);
    await postgres.#launch();
    return postgres;
  }

  get port(): number {
    return this.state.port;
  }

  /** The pid of the postmaster. */
  get pid(): number | undefined {
    return this.#process?.running ? this.#process.pid : undefined;
  }

  /** The pids of the postmaster and all its child processes. */
  pids(): number[] {
    return this.pid === undefined ? [] : [this.pid, ...descendants(this.pid)];
  }

  get logFile(): string {
    return join(this.options.dataDir, 'postgres.log');
  }

  get logs(): readonly string[] {
    return this.#process?.logs ?? [];
  }

  /** The superuser's URL unless a role is given. `through` replaces the address with that of a proxy. */
  url(
    database: string,
    role: { name: string; password: string } = { name: SUPERUSER, password: this.state.password },
    through?: { host: string; port: number },
  ): string {
    const { host, port } = through ?? this;
    return `postgresql://${role.name}:${encodeURIComponent(role.password)}@${host}:${port}/${database}`;
  }

  /** Does nothing when the database exists. */
  async createDatabase(name: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.url('postgres') });
    await client.connect();
    try {
      const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
      if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(name)}`);
    } finally {
      await client.end();
    }
  }

  onCrash(listener: (exit: Exit) => void): void {
    this.#crashListener = listener;
    this.#process?.onCrash(listener);
  }

  /** A "fast" shutdown: open transactions are rolled back. */
  async stop(): Promise<void> {
    await this.#process?.stop('SIGINT', STOP_MS);
  }

  /** Simulates a power cut: kills the postmaster and all backends at once. Resolves when all have ended. */
  async kill9(): Promise<void> {
    const server = this.#process;
    if (!server?.running) return;
    // A frozen postmaster starts no backend while the list is read.
    server.freeze();
    const children = descendants(server.pid).flatMap((pid) => identityOf(pid) ?? []);
    for (const { pid } of children) trySignal(pid, 'SIGKILL');
    await server.kill9();
    await eventually('the backends to end', () => !children.some(isAlive), 10_000);
  }

  /** Restarts with the same files and port; stops the server first if it runs. */
  async restart(): Promise<void> {
    await this.stop();
    await this.#launch();
  }

  async #launch(): Promise<void> {
    const deadline = Date.now() + START_MS;
    for (;;) {
      const server = await this.#spawn();
      await this.#answers(server, deadline);
      if (server.running) return;
      // Backends of a killed postmaster hold the shared memory until they notice its end.
      const retry = server.logs.some(
        (line) => line.includes('pre-existing shared memory') || line.includes('is another'),
      );
      if (!retry || Date.now() > deadline) throw new Error(server.describe('did not start'));
      await delay(200);
    }
  }

  async #spawn(): Promise<ManagedProcess> {
    removeStalePid(join(this.folder.home, 'cluster'));
    const settings = { ...SETTINGS, ...this.options.settings, port: String(this.port) };
    const server = await ManagedProcess.spawn({
      name: 'postgres',
      command: requireBinary('postgres'),
      args: [
        ...['-D', join(this.folder.home, 'cluster')],
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      env: { LC_ALL: 'C' },
      cwd: this.folder.home,
      uid: this.folder.user?.uid,
      gid: this.folder.user?.gid,
      pidFile: join(this.options.dataDir, 'pid'),
      logFile: this.logFile,
      // An "immediate" shutdown: the postmaster ends its backends; the next start recovers.
      orphanSignal: 'SIGQUIT',
    });
    this.#process = server;
    if (this.#crashListener) server.onCrash(this.#crashListener);
    return server;
  }

  async #answers(server: ManagedProcess, deadline: number): Promise<void> {
    try {
      await eventually(
        'postgres',
        async () => {
          if (!server.running) return true;
          const client = new pg.Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 5_000 });
          client.on('error', () => undefined);
          try {
            await client.connect();
            await client.query('select 1');
            return true;
          } finally {
            await client.end().catch(() => undefined);
          }
        },
        deadline - Date.now(),
      );
    } catch (cause) {
      await this.kill9();
      throw new Error(server.describe(`did not answer on port ${this.port} within ${START_MS} ms`), { cause });
    }
  }
}

/** Creates the cluster under a temporary name, so that an interrupted initdb is never taken for a complete cluster. */
async function createCluster(cluster: string, user: PostgresFolder['user'], password: string): Promise<void> {
  const draft = `${cluster}.draft`;
  const passwordFile = `${cluster}.password`;
  rmSync(draft, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  makeClusterFolder(draft, user);
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
  if (user) chownSync(passwordFile, user.uid, user.gid);
  try {
    await run(
      requireBinary('initdb'),
      // `--no-sync` only skips syncing the new, empty files; the server itself runs with fsync on.
      [
        ...['-D', draft, '-U', SUPERUSER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
        ...['--encoding=UTF8', '--locale=C', '--no-sync'],
      ],
      { uid: user?.uid, gid: user?.gid, env: { LC_ALL: 'C' }, cwd: '/' },
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, cluster);
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has already ended.
  }
}
