import pg from 'pg';
import { UnsafeIntegerError } from './errors.js';
import type { SessionSettings } from './session.js';

export interface HotClientOptions {
  readonly url: string;
  /** The service's schema: the only one on the search path. */
  readonly schema: string;
  readonly applicationName: string;
  /** Time after which the server ends a statement, in milliseconds. Default 4,000: shorter than the query timeout. */
  readonly statementTimeoutMs?: number;
  /** Time without an answer after which the connection counts as lost, in milliseconds. Default 5,000. */
  readonly queryTimeoutMs?: number;
  /** Timeout for connecting in milliseconds. Default 3,000. */
  readonly connectTimeoutMs?: number;
}

const INT8 = 20;
const INT8_ARRAY = 1016;

/** Parses bigint and its arrays to numbers; above 2^53 an error instead of a rounded number. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8 && format !== 'binary') return safeInteger;
    if (oid === INT8_ARRAY && format !== 'binary') return safeIntegers;
    return pg.types.getTypeParser(oid, format) as unknown;
  },
};

export function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new UnsafeIntegerError(`${text} is beyond 2^53`);
  return value;
}

function safeIntegers(text: string): (number | null)[] {
  const inner = text.slice(1, -1);
  return inner === '' ? [] : inner.split(',').map((item) => (item === 'NULL' ? null : safeInteger(item)));
}

/** Settings for {@link prepareSession}, once the client is connected. */
export function sessionSettings({ schema, statementTimeoutMs = 4_000 }: HotClientOptions): SessionSettings {
  // An owner that is frozen in a transaction must not keep rows locked while another instance takes its lanes.
  return { schema, statementTimeoutMs, idleInTransactionTimeoutMs: statementTimeoutMs };
}

/**
 * A pg client for the hot path. A statement without an answer in time breaks the connection, because the next answer
 * would belong to that statement. All queries in flight reject then.
 */
export function hotClient(options: HotClientOptions): pg.Client {
  const { queryTimeoutMs = 5_000, connectTimeoutMs = 3_000 } = options;
  const client = new pg.Client({
    connectionString: options.url,
    application_name: options.applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    types,
  });
  guardQueries(client, queryTimeoutMs);
  return client;
}

/** pg's own `query_timeout` would keep using the connection although an answer is still to come. */
export function guardQueries(client: pg.Client, timeoutMs: number): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const guarded = (...args: unknown[]): unknown => {
    const outcome = query(...args);
    if (!(outcome instanceof Promise)) return outcome;
    const timer = setTimeout(
      () => destroySocket(client, new Error(`no answer from the database in ${timeoutMs} ms`)),
      timeoutMs,
    );
    return outcome.finally(() => clearTimeout(timer));
  };
  client.query = guarded as typeof client.query;
}

/** Closes the connection at once, also in the middle of a query. */
export function destroySocket(client: pg.Client, reason?: Error): void {
  const { connection } = client as unknown as { connection: { stream: { destroy(error?: Error): void } } };
  connection.stream.destroy(reason);
}
