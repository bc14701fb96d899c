import type pg from 'pg';
import { Backoff, declareFailpoints, failpoint, pause } from '@huizhi/runtime';
import { CommitUnknownError, ConnectionLostError, RolledBackError } from './errors.js';
import { destroySocket, hotClient, sessionSettings, type HotClientOptions } from './hot-client.js';
import { assertSameSession, prepareSession } from './session.js';
import { endsSession, proofOf } from './sqlstate.js';

// Fires after COMMIT was carried out, so the caller sees it as a lost answer.
declareFailpoints('database.commit-answer-lost');

/** Limit of waiting works; above it a work is refused at once. */
const MAX_WAITING = 10_000;

export interface DedicatedConnectionOptions extends HotClientOptions {
  /** Called when the connection comes up or goes down, for the health page. */
  readonly onStatus?: (connected: boolean, error?: Error) => void;
}

/**
 * One connection to PostgreSQL that runs one work at a time, in the order of the calls.
 *
 * It connects at first use and again after a loss, with back-off. During back-off, works are refused at once with
 * {@link ConnectionLostError} and not queued: an unreachable database uses no memory, and callers decide what to do.
 */
export class DedicatedConnection {
  private client: pg.Client | undefined;
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private retryAt = 0;
  private lastFailure: Error | undefined;
  private closed = false;
  /** Mark of the current session. */
  private mark = '';
  private readonly backoff = new Backoff(100, 2_000);

  constructor(private readonly options: DedicatedConnectionOptions) {}

  /** False before the first use, while reconnecting, and after {@link close}. */
  get connected(): boolean {
    return this.client !== undefined;
  }

  /**
   * Runs `work` alone on the connection. Named prepared statements are pg's `{ name, text, values }`. `work` owns the
   * client until its promise settles, and must not keep it.
   * @throws ConnectionLostError if there is no connection or it broke meanwhile; else what `work` throws
   */
  exclusive<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new ConnectionLostError('the connection is closed'));
    if (this.waiting >= MAX_WAITING) {
      return Promise.reject(new ConnectionLostError(`${MAX_WAITING} works are waiting for the database already`));
    }
    this.waiting += 1;
    const outcome = this.tail.then(() => this.run(work));
    this.tail = outcome.then(ignore, ignore);
    return outcome;
  }

  /**
   * Runs `work` between BEGIN and COMMIT. When `work` throws, rolls back and passes the error on.
   * @throws CommitUnknownError if COMMIT was sent and its outcome is unknown; after any other error it is certainly
   * rolled back
   */
  transaction<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.exclusive(async (client) => {
      await client.query('begin');
      let result: T;
      try {
        result = await work(client);
      } catch (error) {
        await this.rollback(client);
        throw error;
      }
      await this.commit(client);
      return result;
    });
  }

  /**
   * Runs `work`, a single statement and so its own transaction: one round trip instead of four.
   * @throws CommitUnknownError if it was sent and its outcome is unknown; after any other error it is certainly rolled
   * back
   */
  single<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.exclusive(async (client) => {
      try {
        const result = await work(client);
        failpoint('database.commit-answer-lost');
        return result;
      } catch (error) {
        throw await this.afterSending(client, error, 'the statement');
      }
    });
  }

  /** Checks that statements are answered in the session that was prepared. @throws PoolerError, ConnectionLostError */
  check(): Promise<void> {
    return this.exclusive((client) => assertSameSession(client, this.mark, this.options.schema));
  }

  /** Finishes the waiting works, then closes. Later works are refused. */
  async close(): Promise<void> {
    this.closed = true;
    await this.tail;
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(ignore);
  }

  /** Retries until there is a connection; returns early when the signal is aborted. */
  async whenConnected(signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted && !this.closed) {
      const up = await this.exclusive(() => Promise.resolve(true)).catch(() => false);
      if (up) return;
      await pause(Math.max(10, this.retryAt - performance.now()), signal);
    }
  }

  private async run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    this.waiting -= 1;
    const client = this.client ?? (await this.connect());
    try {
      return await work(client);
    } catch (error) {
      if (endsSession(error)) this.lost(client, error);
      if (this.client === client || error instanceof CommitUnknownError) throw error;
      throw new ConnectionLostError('the connection to the database broke', { cause: error });
    } finally {
      this.refuseOpenTransaction(client);
    }
  }

  /** The next work's statements would run inside a transaction left open and be lost with it. */
  private refuseOpenTransaction(client: pg.Client): void {
    const status = client.getTransactionStatus();
    if (status === 'I' || status === null) return;
    this.lost(client, new Error('a work left its transaction open'));
  }

  private async connect(): Promise<pg.Client> {
    const wait = this.retryAt - performance.now();
    if (wait > 0) throw new ConnectionLostError('the database is not reachable', { cause: this.lastFailure });

    const client = hotClient(this.options);
    // Without a listener the end of an idle connection would end the process.
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, new Error('the database ended the connection')));
    try {
      await client.connect();
      this.mark = await prepareSession(client, sessionSettings(this.options));
    } catch (error) {
      destroySocket(client);
      this.failed(error instanceof Error ? error : new Error(String(error)));
      throw new ConnectionLostError('the database is not reachable', { cause: error });
    }
    this.client = client;
    this.backoff.reset();
    this.retryAt = 0;
    this.options.onStatus?.(true);
    return client;
  }

  private failed(error: Error): void {
    this.lastFailure = error;
    this.retryAt = performance.now() + this.backoff.next();
    this.options.onStatus?.(false, error);
  }

  private lost(client: pg.Client, error: Error): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.options.onStatus?.(false, error);
    destroySocket(client);
  }

  private async rollback(client: pg.Client): Promise<void> {
    if (this.client !== client) return;
    try {
      await client.query('rollback');
    } catch (error) {
      // The session state is unknown; drop the connection so that the server rolls back.
      this.lost(client, error instanceof Error ? error : new Error(String(error)));
    }
  }

  private async commit(client: pg.Client): Promise<void> {
    if (this.client !== client) throw new ConnectionLostError('the connection broke before COMMIT');
    let answer: pg.QueryResult;
    try {
      answer = await client.query('commit');
      failpoint('database.commit-answer-lost');
    } catch (error) {
      throw await this.afterSending(client, error, 'COMMIT');
    }
    if (answer.command === 'ROLLBACK') throw new RolledBackError('the transaction had failed: COMMIT rolled it back');
  }

  /**
   * Decides what an error means after a commit was sent: refused for certain, or unknown, and then the connection is
   * closed.
   */
  private async afterSending(client: pg.Client, error: unknown, what: string): Promise<unknown> {
    const proof = proofOf(error);
    if (proof === 'rolledBack' || (proof === 'rolledBackIfAlive' && (await answers(client)))) return error;
    this.lost(client, error instanceof Error ? error : new Error(String(error)));
    return new CommitUnknownError(`${what} was sent, its outcome is unknown`, { cause: error });
  }
}

const answers = (client: pg.Client): Promise<boolean> =>
  client.query('select').then(
    () => true,
    () => false,
  );

function ignore(): void {}
