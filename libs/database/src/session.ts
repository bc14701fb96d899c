import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { PoolerError } from './errors.js';
import { endsSession } from './sqlstate.js';

export interface SessionSettings {
  /** The only schema on the search path. */
  readonly schema: string;
  /** Milliseconds; 0 is none. */
  readonly statementTimeoutMs: number;
  /** Milliseconds; 0 is none. */
  readonly idleInTransactionTimeoutMs?: number;
}

/** A custom setting that identifies a session. */
const MARK = 'huizhi.session';

/**
 * Sets what the services rely on in a new session. Uses a statement, because poolers refuse or drop start-up
 * parameters. A role or database may have `synchronous_commit` off; then receipted messages would not be durable.
 * @returns the mark of the session, for {@link assertSameSession}
 */
export async function prepareSession(client: pg.ClientBase, settings: SessionSettings): Promise<string> {
  const { schema, statementTimeoutMs, idleInTransactionTimeoutMs = 0 } = settings;
  const mark = randomUUID();
  await client.query(
    `select set_config('search_path', $1, false), set_config('statement_timeout', $2, false),
            set_config('idle_in_transaction_session_timeout', $3, false), set_config('${MARK}', $4, false),
            case current_setting('synchronous_commit') when 'off' then set_config('synchronous_commit', 'on', false) end`,
    [schema, String(statementTimeoutMs), String(idleInTransactionTimeoutMs), mark],
  );
  return mark;
}

/** @throws PoolerError when the statement ran in another session than the one that was prepared */
export async function assertSameSession(client: pg.ClientBase, mark: string, schema: string): Promise<void> {
  const { rows } = await client.query<{ mark: string | null }>(`select current_setting('${MARK}', true) as mark`);
  if (rows[0]?.mark !== mark) throw new PoolerError(schema);
}

export interface SessionCheckOptions {
  readonly url: string;
  readonly schema: string;
  readonly applicationName: string;
}

/**
 * Number of other clients. With more idle server connections than this, a pooler changes the first client's session.
 */
const PINNING_CLIENTS = 3;
const CHECK_MS = 3_000;

/**
 * Detects a pooler that may give a client another session for each transaction. Between two statements of a client,
 * other clients begin transactions and so occupy server connections. Either one of them gets the first client's
 * session, or the first client gets another one afterwards.
 * @throws PoolerError; other errors when the database cannot be reached
 */
export async function assertDirectSession(options: SessionCheckOptions): Promise<void> {
  const { schema } = options;
  const clients: pg.Client[] = [];
  const another = async (): Promise<pg.Client> => {
    const client = new pg.Client({
      connectionString: options.url,
      application_name: `${options.applicationName} check`,
      connectionTimeoutMillis: CHECK_MS,
      query_timeout: CHECK_MS,
    });
    client.on('error', () => undefined);
    clients.push(client);
    await client.connect();
    return client;
  };
  try {
    const first = await another();
    const session = await sessionOf(first);
    for (let n = 0; n < PINNING_CLIENTS; n++) {
      const pinning = await another();
      const pinned = await begin(pinning, schema);
      if (pinned === session || (await sessionOf(first)) !== session) throw new PoolerError(schema);
    }
  } finally {
    // A connection that waits for the pooler would not end by itself.
    await Promise.all(clients.map((client) => endAtOnce(client)));
  }
}

/** PostgreSQL itself does not refuse `begin`; a pooler in statement mode does. */
async function begin(client: pg.Client, schema: string): Promise<number> {
  await client.query('begin').catch((cause: unknown) => {
    throw cause instanceof pg.DatabaseError && !endsSession(cause) ? new PoolerError(schema, { cause }) : cause;
  });
  return sessionOf(client);
}

async function sessionOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid ?? 0;
}

async function endAtOnce(client: pg.Client): Promise<void> {
  const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
  const timer = setTimeout(() => connection.stream.destroy(), 500);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}
