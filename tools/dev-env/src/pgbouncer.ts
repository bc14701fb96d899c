import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { requireBinary } from './binaries.js';
import { eventually } from './eventually.js';
import { freePort } from './ports.js';
import { ManagedProcess } from './process.js';

export interface PgBouncerOptions {
  /** URLs of the roles that may connect; all of one server. */
  urls: readonly string[];
  poolMode: 'session' | 'transaction' | 'statement';
  /** Additional configuration lines, `name = value`. */
  settings?: readonly string[];
}

/** PgBouncer refuses to run as root. This is Debian's id of the user `nobody`. */
const NOBODY = 65_534;

/** A PgBouncer on 127.0.0.1, for tests. */
export class PgBouncer {
  readonly host = '127.0.0.1';

  private constructor(
    readonly port: number,
    private readonly process: ManagedProcess,
    private readonly folder: string,
  ) {}

  /** Resolves when it accepts connections. */
  static async start({ urls, poolMode, settings = [] }: PgBouncerOptions): Promise<PgBouncer> {
    const dataDir = mkdtempSync(join(tmpdir(), 'hz-pgbouncer-'));
    const [first = ''] = urls;
    const { hostname, port: serverPort } = new URL(first);
    const port = await freePort();
    const users = join(dataDir, 'users.txt');
    const config = join(dataDir, 'pgbouncer.ini');
    const quoted = urls.map((one) => new URL(one)).map(({ username, password }) => `"${username}" "${password}"\n`);
    writeFileSync(users, quoted.join(''), { mode: 0o600 });
    const lines = [
      ...['[databases]', `* = host=${hostname} port=${serverPort || 5432}`, '[pgbouncer]'],
      ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir ='],
      ...['auth_type = plain', `auth_file = ${users}`, `pool_mode = ${poolMode}`, ...settings],
    ];
    writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
    const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    if (identity.uid !== undefined) {
      chmodSync(dataDir, 0o755);
      for (const file of [users, config]) chownSync(file, identity.uid, identity.gid);
    }
    const pooler = await ManagedProcess.spawn({
      name: 'pgbouncer',
      command: requireBinary('pgbouncer'),
      args: [config],
      env: {},
      cwd: '/',
      ...identity,
    });
    const made = new PgBouncer(port, pooler, dataDir);
    await eventually('pgbouncer to accept connections', () => made.accepts(first), 10_000);
    return made;
  }

  /** The URL with the same role and database, but the address of the pooler. */
  through(href: string): string {
    const url = new URL(href);
    url.hostname = this.host;
    url.port = String(this.port);
    return url.href;
  }

  freeze(): void {
    this.process.freeze();
  }

  resume(): void {
    this.process.resume();
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGTERM', 5_000);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async accepts(url: string): Promise<boolean> {
    if (!this.process.running) throw new Error(this.process.describe('did not start'));
    const client = new pg.Client({ connectionString: this.through(url), connectionTimeoutMillis: 1_000 });
    client.on('error', () => undefined);
    await client.connect();
    await client.end();
    return true;
  }
}
