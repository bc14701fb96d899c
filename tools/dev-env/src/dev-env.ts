import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { addressIn, reachable, redirected } from './addresses.js';
import { certificateFor, type Certificate } from './certificate.js';
import { createSchemas, dropDatabase, type SchemaUrls } from './database.js';
import { sharedPostgresUrl } from './environment.config.js';
import { DataLock } from './lock.js';
import { Nats } from './nats.js';
import {
  SCHEMAS,
  SERVICES,
  type DevEnvOptions,
  type GatewayAddress,
  type Link,
  type Schema,
  type ServiceName,
} from './options.js';
import { serverPart, servicePart, type Part } from './part.js';
import { freePort } from './ports.js';
import { Postgres } from './postgres.js';
import type { Exit } from './process.js';
import { migrate, Service } from './service.js';
import { randomSecret, readState, temporaryFolder, writeState } from './state.js';
import { Supervisor } from './supervisor.js';
import { TcpProxy } from './tcp-proxy.js';
import { testDatabaseName } from './test-database.js';
import { signToken } from './token.js';

/** State that a data folder keeps between starts; the file has mode 0600. */
interface State {
  database: string;
  passwords: Record<Schema, string>;
  jwtSecret: string;
  /** Ports by label. A restart reuses each port if it is free, so that bookmarks and shell histories stay valid. */
  ports: Record<string, { http: number; client?: number }>;
}

/** The whole system as real processes: servers, schemas, migrations, services. `#boot` defines the start order. */
export class DevEnv {
  readonly dataDir: string;
  postgres: Postgres | undefined;
  nats: Nats | undefined;
  #state: State;
  #natsUrlOf: Nats['urlOf'] = () => '';
  #databaseUrls: Partial<SchemaUrls<Schema>> = {};
  #certificate: Certificate | undefined;
  #services: Service[] = [];
  #parts: Part[] = [];
  #supervisor: Supervisor | undefined;
  #proxies = new Map<string, TcpProxy>();
  #undo: { what: string; run: () => Promise<unknown> }[] = [];
  #stopped: Promise<void> | undefined;
  #crashListener: ((name: string, report: string) => void) | undefined;

  /** Resolves when every service is ready. On failure, stops everything that it started, then rejects. */
  static async start(options: DevEnvOptions = {}): Promise<DevEnv> {
    const devEnv = new DevEnv(options);
    try {
      await devEnv.#boot();
    } catch (error) {
      await devEnv.stop().catch(() => undefined);
      throw error;
    }
    return devEnv;
  }

  private constructor(private readonly options: DevEnvOptions) {
    this.dataDir = options.dataDir ? resolve(options.dataDir) : temporaryFolder();
    if (!options.dataDir) {
      this.#undo.push({
        what: 'removing files',
        run: async () => rmSync(this.dataDir, { recursive: true, force: true }),
      });
    }
    const lock = DataLock.acquire(this.dataDir);
    this.#undo.push({ what: 'unlocking', run: async () => lock.release() });
    this.#state = readState<State>(this.#stateFile) ?? {
      database: 'huizhi',
      passwords: { message: randomSecret(), offline: randomSecret() },
      jwtSecret: randomSecret(),
      ports: {},
    };
    writeState(this.#stateFile, this.#state);
  }

  gateway(i = 0): Service {
    return this.service('gateway', i);
  }

  message(i = 0): Service {
    return this.service('message', i);
  }

  offline(i = 0): Service {
    return this.service('offline', i);
  }

  /** Throws when there is no instance with this index. */
  service(name: ServiceName, i = 0): Service {
    const found = this.instances(name)[i];
    if (!found) throw new Error(`there is no ${name} number ${i}: ask for it in \`instances\``);
    return found;
  }

  instances(name: ServiceName): Service[] {
    return this.#services.filter((service) => service.name === name);
  }

  /** Every process that this DevEnv started, servers first. */
  get parts(): readonly Part[] {
    return this.#parts;
  }

  /** The address of the first gateway, or of its proxy if it has one. */
  get address(): GatewayAddress {
    return this.addressOf(0);
  }

  addressOf(i: number): GatewayAddress {
    const gateway = this.gateway(i);
    const tls = gateway.env['HZ_TLS'] !== 'off';
    const direct = { host: reachable(gateway.env['HZ_GATEWAY_HOST']), port: Number(gateway.env['HZ_GATEWAY_PORT']) };
    const { host, port } = this.#proxies.get(`gateway.client#${i}`) ?? direct;
    return { host, port, ca: tls ? (this.#certificate?.ca ?? '') : '' };
  }

  get certificateFile(): string | undefined {
    return this.#certificate?.certFile;
  }

  /**
   * A token that the gateways accept. `expiresIn`: "2h", "30d" (default) or seconds, negative for an expired token;
   * `aheadS` as in signToken().
   */
  token(userID: string, options: { expiresIn?: string | number; aheadS?: number } = {}): Promise<string> {
    return signToken(this.#state.jwtSecret, userID, options.expiresIn, options.aheadS);
  }

  /** The URL of a schema with its service's role, for tests that read the tables. */
  databaseUrl(schema: Schema): string {
    const url = this.#databaseUrls[schema];
    if (!url) throw new Error(`there is no schema ${schema}`);
    return url;
  }

  /** The NATS URL with the credentials of a service. The default user may use every subject. */
  natsUrl(user: Parameters<Nats['urlOf']>[0] = 'test'): string {
    return this.#natsUrlOf(user);
  }

  /** The proxy of instance `i` on that link. Throws when `throughProxy` did not ask for it. */
  proxy(link: Link, i = 0): TcpProxy {
    const proxy = this.#proxies.get(`${link}#${i}`);
    if (!proxy) throw new Error(`no proxy on ${link} of instance ${i}: start with throughProxy: ['${link}']`);
    return proxy;
  }

  /** Starts one more instance and resolves when it is ready. `env` overrides the environment of its service. */
  async add(name: ServiceName, env: Record<string, string> = {}): Promise<Service> {
    const service = await this.#launch(name, env);
    await service.waitReady(this.options.readyMs);
    for (const part of this.#parts) if (part.label === service.label) this.#supervisor?.watch(part);
    return service;
  }

  /**
   * Calls back when a process that is not supervised ends and this program did not stop it. `report` names the process
   * and has its last log lines.
   */
  onCrash(listener: (name: string, report: string) => void): void {
    this.#crashListener = listener;
  }

  /**
   * Stops every process that this DevEnv started, in reverse order of start. A database in a shared server is dropped.
   * Tries every step and rejects with all failures. Safe to call twice.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#undoAll();
    return this.#stopped;
  }

  async #undoAll(): Promise<void> {
    const errors: unknown[] = [];
    await this.#supervisor?.stop().catch((error: unknown) => errors.push(error));
    // The steps run strictly in reverse order: processes must end before their files and the lock are removed.
    for (const { what, run } of this.#undo.reverse()) {
      await run().catch((error: unknown) => errors.push(new Error(`${what} failed`, { cause: error })));
    }
    if (errors.length > 0) throw new AggregateError(errors, 'the dev-env did not stop cleanly');
  }

  async #boot(): Promise<void> {
    const { signal } = this.options;
    await this.#startServers();
    signal?.throwIfAborted();
    const withTables = SCHEMAS.filter((schema) => this.#count(schema) > 0);
    this.#print('migrating the schemas');
    await Promise.all(withTables.map((schema) => migrate(schema, this.#environment(schema))));
    const { HZ_TLS, HZ_GATEWAY_HOST: host } = this.#environment('gateway');
    if (HZ_TLS !== 'off') this.#certificate = await certificateFor(join(this.dataDir, 'tls'), reachable(host));
    signal?.throwIfAborted();
    const wanted = SERVICES.flatMap((name) => Array.from({ length: this.#count(name) }, () => name));
    this.#print(`starting ${wanted.join(', ')}`);
    for (const name of wanted) await this.#launch(name);
    const ready = Promise.all(this.#services.map((service) => service.waitReady(this.options.readyMs)));
    await (signal ? Promise.race([ready, aborted(signal)]) : ready);
    signal?.throwIfAborted();
    const { supervise } = this.options;
    if (!supervise) return;
    this.#supervisor = new Supervisor(supervise);
    for (const part of this.#parts) this.#supervisor.watch(part);
  }

  async #startServers(): Promise<void> {
    // Wait for both starts even when one fails: otherwise a server that starts later is never stopped.
    const outcomes = await Promise.allSettled([this.#startDatabase(), this.#startNats()]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #startDatabase(): Promise<void> {
    const given = this.options.databaseUrls ?? {};
    this.#databaseUrls = { ...given };
    const missing = SCHEMAS.filter((schema) => !given[schema]);
    if (missing.length === 0) return;
    const { admin, own } = await this.#server();
    // A server that this DevEnv does not own may hold the databases of several.
    const database = own ? this.#state.database : testDatabaseName();
    const passwords = Object.fromEntries(missing.map((schema) => [schema, this.#state.passwords[schema]]));
    if (!own) {
      this.#undo.push({ what: `dropping ${database}`, run: () => dropDatabase(admin, database, missing) });
    }
    Object.assign(this.#databaseUrls, await createSchemas(admin, database, passwords));
  }

  async #server(): Promise<{ admin: string; own: boolean }> {
    const asked = this.options.postgres ?? sharedPostgresUrl() ?? 'own';
    if (typeof asked === 'object') {
      this.postgres = asked;
      return { admin: asked.url('postgres'), own: false };
    }
    if (asked !== 'own') return { admin: asked, own: false };
    this.#print('starting PostgreSQL');
    const postgres = await Postgres.start({
      dataDir: join(this.dataDir, 'postgres'),
      note: (text) => this.#print(text),
    });
    this.postgres = postgres;
    this.#undo.push({ what: 'stopping PostgreSQL', run: () => postgres.stop() });
    const part = this.#add(serverPart('postgres', postgres));
    postgres.onCrash((exit) => this.#crashed(part, exit, serverReport('PostgreSQL', postgres.logs)));
    return { admin: postgres.url('postgres'), own: true };
  }

  async #startNats(): Promise<void> {
    const asked = this.options.nats;
    if (typeof asked === 'string') {
      this.#natsUrlOf = () => asked;
      return;
    }
    if (asked) {
      this.nats = asked;
      this.#natsUrlOf = (user) => asked.urlOf(user);
      return;
    }
    this.#print('starting NATS');
    const nats = await Nats.start({
      dataDir: join(this.dataDir, 'nats'),
      ...(this.options.natsSettings ? { settings: this.options.natsSettings } : {}),
    });
    this.nats = nats;
    this.#natsUrlOf = (user) => nats.urlOf(user);
    this.#undo.push({ what: 'stopping NATS', run: () => nats.stop() });
    const part = this.#add(serverPart('nats', nats));
    nats.onCrash((exit) => this.#crashed(part, exit, serverReport('NATS', nats.logs)));
  }

  async #launch(name: ServiceName, extra: Record<string, string> = {}): Promise<Service> {
    const index = this.instances(name).length;
    const label = `${name}-${index + 1}`;
    const ports = await this.#ports(name, label);
    const ways = await this.#throughProxies(name, index, ports.client);
    const env = {
      HZ_HTTP_PORT: String(ports.http),
      ...(ports.client === undefined ? {} : { HZ_GATEWAY_PORT: String(ports.client) }),
      ...this.#environment(name, ways),
      ...extra,
    };
    const files = join(this.dataDir, 'services', label);
    const service = new Service({ name, label, env, logFile: `${files}.log`, pidFile: `${files}.pid` });
    const part = servicePart(service);
    service.onCrash((exit) => this.#crashed(part, exit, service.describe('ended unexpectedly')));
    await service.launch();
    this.#add(part);
    this.#services.push(service);
    this.#undo.push({ what: `stopping ${label}`, run: () => service.stop() });
    return service;
  }

  async #ports(name: ServiceName, label: string): Promise<{ http: number; client?: number }> {
    const before = this.#state.ports[label];
    const http = await freePort(before?.http);
    const fixed = this.#environment(name)['HZ_GATEWAY_PORT'];
    const client = name === 'gateway' ? Number(fixed ?? (await freePort(before?.client))) : undefined;
    const ports = client === undefined ? { http } : { http, client };
    this.#state.ports[label] = ports;
    writeState(this.#stateFile, this.#state);
    return ports;
  }

  /** Starts the requested proxies of an instance and returns those that replace its server addresses. */
  async #throughProxies(name: ServiceName, index: number, clientPort: number | undefined): Promise<Ways> {
    const asked = this.options.throughProxy ?? [];
    const ways: Ways = {};
    const open = async (link: Link, target: { host: string; port: number }): Promise<TcpProxy> => {
      const proxy = await TcpProxy.start({ target });
      this.#proxies.set(`${link}#${index}`, proxy);
      this.#undo.push({ what: `stopping the proxy on ${link}`, run: () => proxy.stop() });
      return proxy;
    };
    if (asked.includes(`${name}.nats`)) {
      ways.nats = await open(`${name}.nats`, addressIn(this.natsUrl(), 4222));
    }
    const schema = SCHEMAS.find((each) => each === name);
    if (schema && asked.includes(`${schema}.postgres`)) {
      ways.postgres = await open(`${schema}.postgres`, addressIn(this.databaseUrl(schema), 5432));
    }
    if (clientPort !== undefined && asked.includes('gateway.client')) {
      await open('gateway.client', { host: reachable(this.#environment(name)['HZ_GATEWAY_HOST']), port: clientPort });
    }
    return ways;
  }

  /** The environment of a service or its migration, without ports. */
  #environment(name: ServiceName, ways: Ways = {}): Record<string, string> {
    const schema = SCHEMAS.find((each) => each === name);
    const gateway = {
      HZ_GATEWAY_HOST: '127.0.0.1',
      HZ_TLS: 'on',
      HZ_TLS_CERT_FILE: this.#certificate?.certFile ?? '',
      HZ_TLS_KEY_FILE: this.#certificate?.keyFile ?? '',
      HZ_AUTH: 'jwt',
      HZ_JWT_SECRET: this.#state.jwtSecret,
      // All gateways stop together, so clients have no other gateway to reconnect to.
      HZ_DRAIN_SPREAD: '0s',
    };
    return {
      NODE_ENV: 'test',
      HZ_LOG_LEVEL: 'info',
      HZ_HTTP_HOST: '127.0.0.1',
      HZ_NATS_URL: redirected(this.natsUrl(name), ways.nats),
      ...(schema
        ? { [`HZ_${schema.toUpperCase()}_DATABASE_URL`]: redirected(this.databaseUrl(schema), ways.postgres) }
        : {}),
      ...(name === 'gateway' ? gateway : {}),
      ...this.options.env?.all,
      ...this.options.env?.[name],
    };
  }

  #count(name: ServiceName): number {
    const core = name === 'gateway' || name === 'message' || name === 'offline';
    return this.options.instances?.[name] ?? (core ? 1 : 0);
  }

  #add(part: Part): Part {
    this.#parts.push(part);
    return part;
  }

  #crashed(part: Part, exit: Exit, report: string): void {
    if (this.#supervisor) this.#supervisor.died(part, exit);
    else this.#crashListener?.(part.label, report);
  }

  #print(line: string): void {
    this.options.print?.(line);
  }

  get #stateFile(): string {
    return join(this.dataDir, 'state.json');
  }
}

/** Proxies that replace the addresses of servers. */
interface Ways {
  nats?: TcpProxy;
  postgres?: TcpProxy;
}

function serverReport(name: string, logs: readonly string[]): string {
  return `${name} ended unexpectedly. Its last log lines:\n${logs.slice(-30).join('\n')}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
