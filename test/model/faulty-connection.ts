import type pg from 'pg';
import { CommitUnknownError, ConnectionLostError, DedicatedConnection } from '@huizhi/database';

/** The outcome of one transaction. `unheard`: it was committed, but the caller gets an unknown outcome. */
export type Ending = 'pass' | 'refuse' | 'rollBack' | 'unheard' | { readonly delayMs: number };

interface Inside {
  client: { connection: { stream: { destroy(): void } } } | undefined;
  run: () => Promise<never>;
}

type Work<T> = (client: pg.Client) => Promise<T>;

/**
 * Injects outcomes that are rare in practice into a real connection's transactions. Returns a function that kills the
 * connection like the end of its process: the current work is interrupted, and queued work never runs.
 */
export function makeFaulty(connection: DedicatedConnection, endingOf: () => Ending): () => void {
  const own = DedicatedConnection.prototype;
  const transaction = <T>(work: Work<T>): Promise<T> => own.transaction.call(connection, work) as Promise<T>;
  const single = <T>(work: Work<T>): Promise<T> => own.single.call(connection, work) as Promise<T>;
  const ended = async <T>(work: Work<T>, real: (work: Work<T>) => Promise<T>): Promise<T> => {
    const ending = endingOf();
    if (ending === 'refuse') throw new ConnectionLostError('refused by the test');
    if (typeof ending === 'object') await new Promise((resolve) => setTimeout(resolve, ending.delayMs));
    if (ending === 'rollBack') {
      return transaction(async (client) => {
        await work(client);
        throw new ConnectionLostError('rolled back by the test');
      });
    }
    const result = await real(work);
    if (ending === 'unheard') throw new CommitUnknownError('the test hides a COMMIT that succeeded');
    return result;
  };
  connection.transaction = (work) => ended(work, transaction);
  connection.single = (work) => ended(work, single);
  const inside = connection as unknown as Inside;
  return () => {
    inside.run = () => Promise.reject(new ConnectionLostError('the process has ended'));
    inside.client?.connection.stream.destroy();
    void connection.close();
  };
}
