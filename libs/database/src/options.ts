import type pg from 'pg';
import type { EntitySchema, MixedList } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import { guardQueries } from './hot-client.js';
import { prepareSession } from './session.js';

type Classes = MixedList<string | (abstract new (...args: never[]) => object) | (new (...args: never[]) => object)>;

export interface DatabaseOptions {
  /** A PostgreSQL URL with credentials. */
  readonly url: string;
  /** The service's own schema: lower case letters, digits and _. The only one on the search path. */
  readonly schema: string;
  readonly entities?: MixedList<(new () => object) | string | EntitySchema>;
  /** Classes, or a glob from `import.meta.dirname`. */
  readonly migrations?: Classes;
  /** The instance, shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Connections in the pool. Default 4: the hot path has its own connection. */
  readonly poolSize?: number;
  /** Timeout for a free or new connection in milliseconds. Default 3,000; the pool's own default is no timeout. */
  readonly connectTimeoutMs?: number;
  /** In milliseconds; default 10,000, 0 is none. */
  readonly statementTimeoutMs?: number;
}

export const MIGRATIONS_TABLE = 'migrations';

/**
 * TypeORM options for everything but the hot path: bounded waits, no automatic schema changes, no logging of
 * statements.
 */
export function dataSourceOptions(options: DatabaseOptions): PostgresDataSourceOptions {
  const schema = checkedSchema(options.schema);
  return {
    type: 'postgres',
    url: options.url,
    schema,
    entities: options.entities ?? [],
    migrations: options.migrations ?? [],
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsTransactionMode: 'each',
    synchronize: false,
    installExtensions: false,
    logging: false,
    poolSize: options.poolSize ?? 4,
    connectTimeoutMS: options.connectTimeoutMs ?? 3_000,
    applicationName: options.applicationName,
    extra: {
      onConnect: (client: pg.Client) => prepare(client, schema, options.statementTimeoutMs ?? 10_000),
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
    },
  };
}

/**
 * A server that is frozen or cut off does not end statements, so the client closes the connection this much later, in
 * ms.
 */
const GIVE_UP_MS = 2_000;

async function prepare(client: pg.Client, schema: string, statementTimeoutMs: number): Promise<void> {
  if (statementTimeoutMs > 0) guardQueries(client, statementTimeoutMs + GIVE_UP_MS);
  await prepareSession(client, { schema, statementTimeoutMs });
}

/** The name is used in SQL unquoted, so its form is strict. */
export function checkedSchema(schema: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return schema;
  throw new Error(`"${schema}" cannot be a schema: lower case letters, digits and _, at most 63`);
}
