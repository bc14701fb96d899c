import type { Nats } from './nats.js';
import type { Postgres } from './postgres.js';

export const SERVICES = ['message', 'offline', 'media', 'push', 'gateway'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** The services that have tables, each in a schema of its own name. */
export const SCHEMAS = ['message', 'offline'] as const;
export type Schema = (typeof SCHEMAS)[number];

/** A way that can be led through a TcpProxy, for every instance of the service. */
export type Link = 'gateway.client' | `${ServiceName}.nats` | `${Schema}.postgres`;

export interface DevEnvOptions {
  /** Data, certificate, secrets, logs. Default: a new temporary folder, removed at stop. */
  dataDir?: string;
  /**
   * A server to use: an object, or a superuser's URL; or `own`. Without it: the one HZ_TEST_POSTGRES_URL names, and if
   * there is none, `own`. In a server that is not its own a constellation makes a new database and drops it at stop.
   */
  postgres?: Postgres | string;
  /** Given databases, ready with role and schema, instead of one of ours. With both, no PostgreSQL is started. */
  databaseUrls?: Partial<Record<Schema, string>>;
  /** An object or a URL with credentials. Default: one of its own, since two constellations on one bus would mix. */
  nats?: Nats | string;
  /** More lines of the configuration of a NATS server of its own, `name: value`. */
  natsSettings?: readonly string[];
  /** Default: one gateway, message and offline. */
  instances?: Partial<Record<ServiceName, number>>;
  /** Laid over what the services get; `all` first, then the service's own. */
  env?: Partial<Record<ServiceName | 'all', Record<string, string>>>;
  /** See `DevEnv.proxy()`. */
  throughProxy?: readonly Link[];
  /** How long each service may take to be ready. Default 30 s. */
  readyMs?: number;
  /** Gives up a start under way: what runs already is stopped, and `start` rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Starts again what ends by itself, servers too, and is told so, one line each. Without it what ends stays ended: tests
   * kill on purpose.
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
