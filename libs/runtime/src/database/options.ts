import type { EntitySchema, MixedList } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';

type Classes = MixedList<string | (abstract new (...args: never[]) => object) | (new (...args: never[]) => object)>;

export interface DatabaseOptions {
  /** A PostgreSQL URL with credentials. */
  readonly url: string;
  /** The service's own schema; lower case letters, digits and _. The only one on the search path. */
  readonly schema: string;
  readonly entities?: MixedList<(new () => object) | string | EntitySchema>;
  /** Classes, or a glob from `import.meta.dirname`. */
  readonly migrations?: Classes;
  /** Shown in pg_stat_activity: the instance. */
  readonly applicationName: string;
  /** Connections of the pool. Default 4: the hot path has its own. */
  readonly poolSize?: number;
  /** Waiting for a free or new connection, milliseconds. Default 3,000; the pool's own default is for ever. */
  readonly connectTimeoutMs?: number;
  /** Default 10,000 milliseconds; 0 is none. */
  readonly statementTimeoutMs?: number;
}

export const MIGRATIONS_TABLE = 'migrations';

/** TypeORM's options for everything but the hot path: bounded waiting everywhere, no schema changes by itself, no logging of statements. */
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
      options: `-c search_path=${schema}`,
      statement_timeout: options.statementTimeoutMs ?? 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
    },
  };
}

/** It goes into SQL and start-up options unquoted, so its shape is strict. */
export function checkedSchema(schema: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return schema;
  throw new Error(`"${schema}" cannot be a schema: lower case letters, digits and _, at most 63`);
}
