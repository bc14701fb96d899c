import { BUS_USERS, natsAuthorization, type BusUser } from '@huizhi/protocol';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { requireBinary } from './binaries.js';
import { eventually } from './eventually.js';
import { freePort } from './ports.js';
import { ManagedProcess, type Exit } from './process.js';
import { randomSecret, readState, writeState } from './state.js';

export interface NatsOptions {
  /** Holds the configuration file and the credentials. Core NATS stores nothing else. */
  dataDir: string;
  /** Default: the port of the last start in this folder if it is free, otherwise any free port. */
  port?: number;
  /** Additional configuration lines, `name: value`. */
  settings?: readonly string[];
}

/** May use every subject; for tests that publish and subscribe themselves. No deployment has this user. */
const TEST_USER = 'test';

interface NatsState {
  port: number;
  passwords: Record<BusUser | typeof TEST_USER, string>;
}

const START_MS = 10_000;
const STOP_MS = 5_000;

/** A nats-server on 127.0.0.1 with the allow-list of every service and the 1 MiB message limit that they assume. */
export class Nats {
  readonly host = '127.0.0.1';
  #process: ManagedProcess | undefined;
  #crashListener: ((exit: Exit) => void) | undefined;

  private constructor(
    private readonly dataDir: string,
    private readonly state: NatsState,
    private readonly settings: readonly string[],
  ) {}

  /** Resolves when it accepts connections. Rejects when nats-server is not installed or does not start within 10 s. */
  static async start(options: NatsOptions): Promise<Nats> {
    mkdirSync(options.dataDir, { recursive: true, mode: 0o711 });
    const stateFile = join(options.dataDir, 'state.json');
    const saved = readState<NatsState>(stateFile);
    const state = {
      port: options.port ?? (await freePort(saved?.port)),
      passwords: {
        ...(Object.fromEntries(
          [...BUS_USERS, TEST_USER].map((user) => [user, randomSecret()]),
        ) as NatsState['passwords']),
        ...saved?.passwords,
      },
    };
    writeState(stateFile, state);
    const nats = new Nats(options.dataDir, state, options.settings ?? []);
    await nats.#launch();
    return nats;
  }

  get port(): number {
    return this.state.port;
  }

  get pid(): number | undefined {
    return this.#process?.running ? this.#process.pid : undefined;
  }

  get logFile(): string {
    return join(this.dataDir, 'nats.log');
  }

  get logs(): readonly string[] {
    return this.#process?.logs ?? [];
  }

  /** The URL with the credentials of the test user. `through` replaces the address with that of a proxy. */
  url(through?: { host: string; port: number }): string {
    return this.urlOf(TEST_USER, through);
  }

  /** The URL with the credentials of a service, of `hz` commands (`admin`) or of the test user. */
  urlOf(user: BusUser | typeof TEST_USER, through?: { host: string; port: number }): string {
    const { host, port } = through ?? this;
    return `nats://${user}:${encodeURIComponent(this.state.passwords[user])}@${host}:${port}`;
  }

  onCrash(listener: (exit: Exit) => void): void {
    this.#crashListener = listener;
    this.#process?.onCrash(listener);
  }

  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM', STOP_MS);
  }

  async kill9(): Promise<void> {
    await this.#process?.kill9();
  }

  freeze(): void {
    this.#process?.freeze();
  }

  resume(): void {
    this.#process?.resume();
  }

  /**
   * Restarts the server on the same port with the same credentials. Messages in flight are lost: core NATS stores none.
   */
  async restart(): Promise<void> {
    await this.stop();
    await this.#launch();
  }

  async #launch(): Promise<void> {
    const { port, passwords } = this.state;
    const config = join(this.dataDir, 'nats.conf');
    const name = `huizhi-${randomSecret()}`;
    writeFileSync(
      config,
      [
        `listen: "${this.host}:${port}"`,
        `server_name: "${name}"`,
        `max_payload: ${1024 * 1024}`,
        ...this.settings,
        natsAuthorization((user) => `"${passwords[user]}"`, { [TEST_USER]: `"${passwords[TEST_USER]}"` }),
      ].join('\n'),
      { mode: 0o600 },
    );
    const server = await ManagedProcess.spawn({
      name: 'nats-server',
      command: requireBinary('natsServer'),
      args: ['--config', config],
      env: {},
      pidFile: join(this.dataDir, 'pid'),
      logFile: this.logFile,
    });
    this.#process = server;
    if (this.#crashListener) server.onCrash(this.#crashListener);
    try {
      await eventually(
        'nats-server',
        async () => {
          if (!server.running) return true;
          return greets(this.host, port, name);
        },
        START_MS,
      );
    } catch (cause) {
      await server.kill9();
      throw new Error(server.describe(`accepted no connection on port ${port} within ${START_MS} ms`), { cause });
    }
    if (!server.running) throw new Error(server.describe('did not start'));
  }
}

/**
 * Whether the server there sends `INFO {…}` with this name. Another server may have the port if ours could not bind it.
 */
function greets(host: string, port: number, name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: 1_000 });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => done(data.toString('latin1').includes(`"server_name":"${name}"`)));
    socket.once('error', () => done(false));
    socket.once('timeout', () => done(false));
    socket.once('close', () => done(false));
  });
}
