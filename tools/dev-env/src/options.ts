import type { Nats } from './nats.js';
import type { Postgres } from './postgres.js';

export const SERVICES = ['message', 'offline', 'media', 'push', 'gateway'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** The services that have tables; the schema has the name of the service. */
export const SCHEMAS = ['message', 'offline'] as const;
export type Schema = (typeof SCHEMAS)[number];

/** A connection that can go through a TcpProxy, one proxy per instance of the service. */
export type Link = 'gateway.client' | `${ServiceName}.nats` | `${Schema}.postgres`;

export interface DevEnvOptions {
  /** Folder for data, certificate, secrets and logs. Default: a new temporary folder, removed at stop. */
  dataDir?: string;
  /**
   * The server to use: an object, a superuser's URL, or `own` to start one. Default: the server in
   * HZ_TEST_POSTGRES_URL, otherwise `own`. In a server that it does not own, DevEnv creates a new database and drops it
   * at stop.
   */
  postgres?: Postgres | string;
  /** Existing databases with role and schema, used instead of new ones. With both given, no PostgreSQL is started. */
  databaseUrls?: Partial<Record<Schema, string>>;
  /**
   * An object, or a URL with credentials. Default: a server of its own, since two systems on one bus would interfere.
   */
  nats?: Nats | string;
  /** Additional configuration lines of its own NATS server, `name: value`. */
  natsSettings?: readonly string[];
  /** Number of instances per service. Default: one gateway, message and offline. */
  instances?: Partial<Record<ServiceName, number>>;
  /** Overrides the environment of the services: first `all`, then the values of the service. */
  env?: Partial<Record<ServiceName | 'all', Record<string, string>>>;
  /** See `DevEnv.proxy()`. */
  throughProxy?: readonly Link[];
  /** Milliseconds within which each service must become ready. Default 30 s. */
  readyMs?: number;
  /** Aborts a start in progress: what already runs is stopped, and `start` rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Restarts processes that end by themselves, servers included, and receives one line per restart. Without it they are
   * not restarted, because tests kill on purpose.
   */
  supervise?: (line: string) => void;
  /** Progress, one line per step. */
  print?: (line: string) => void;
}

export interface GatewayAddress {
  host: string;
  port: number;
  /** PEM. Empty when the gateways run with HZ_TLS=off. */
  ca: string;
}
