import { CommitUnknownError, ConnectionLostError, type DedicatedConnection } from '@huizhi/runtime';

/** What becomes of one transaction. `unheard`: it was committed, and whoever asked does not know. */
export type Ending = 'pass' | 'refuse' | 'rollBack' | 'unheard' | { readonly delayMs: number };

interface Inside {
  client: { connection: { stream: { destroy(): void } } } | undefined;
  run: () => Promise<never>;
}

/**
 * Gives a real connection's transactions the endings that chance brings too rarely. Returns what kills it, as the end of
 * its process would: in the middle of whatever it does, and nothing that waits is carried out.
 */
export function makeFaulty(connection: DedicatedConnection, endingOf: () => Ending): () => void {
  const transaction = connection.transaction.bind(connection);
  connection.transaction = async (work) => {
    const ending = endingOf();
    if (ending === 'refuse') throw new ConnectionLostError('refused by the test');
    if (typeof ending === 'object') await new Promise((resolve) => setTimeout(resolve, ending.delayMs));
    if (ending === 'rollBack') {
      return transaction(async (client) => {
        await work(client);
        throw new ConnectionLostError('rolled back by the test');
      });
    }
    const result = await transaction(work);
    if (ending === 'unheard') throw new CommitUnknownError('COMMIT was carried out, unheard by the test');
    return result;
  };
  const inside = connection as unknown as Inside;
  return () => {
    inside.run = () => Promise.reject(new ConnectionLostError('its process is dead'));
    inside.client?.connection.stream.destroy();
    void connection.close();
  };
}
