import type { Delivery } from '@huizhi/protocol/client';
import { checkInteger, checkString } from './checks.js';
import { answer, between, openDatabase, reading, upTo, write, type Database } from './indexed-db.js';
import type { Store, Unsettled, UnsettledStore } from './store.js';

const MESSAGES = 'messages';
const UNSETTLED = 'unsettled';
const STATE = 'state';

const DEFAULT_KEPT = 10_000;

/**
 * A durable store for browsers: messages with their contents, and unsettled sends, which the client sends again after a
 * page load. Use one database per device of a user. Close the client before the store.
 */
export class IndexedDbStore implements Store {
  private constructor(
    private readonly database: Database,
    readonly unsettled: UnsettledStore,
    private count: number,
    private readonly kept: number,
  ) {}

  /**
   * @param name name of the database
   * @param kept maximum number of messages, beyond which the oldest are deleted; must exceed the server's window (500)
   */
  static async open(name: string, { kept = DEFAULT_KEPT }: { kept?: number } = {}): Promise<IndexedDbStore> {
    checkString('the name', name);
    checkInteger('kept', kept, 1);
    const database = await openDatabase(name, (fresh) => {
      const messages = fresh.createObjectStore(MESSAGES, { autoIncrement: true });
      messages.createIndex('id', 'messageID', { unique: true });
      messages.createIndex('place', ['conversationID', 'seq']);
      fresh.createObjectStore(UNSETTLED, { keyPath: 'n' });
      fresh.createObjectStore(STATE);
    });
    const unsettled = (await answer(reading(database, UNSETTLED).getAll())) as Numbered[];
    const count = await answer(reading(database, MESSAGES).count());
    return new IndexedDbStore(database, new UnsettledSends(database, unsettled), count, kept);
  }

  async saveMessages(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    const fresh = await write(this.database, [MESSAGES], async (store) => {
      const messages = store(MESSAGES);
      const ids = messages.index('id');
      const known = await Promise.all(deliveries.map(({ messageID }) => answer(ids.getKey(messageID))));
      const added = new Set<string>();
      const fresh = deliveries.filter(({ messageID }, n) => {
        if (known[n] !== undefined || added.has(messageID)) return false;
        added.add(messageID);
        return true;
      });
      for (const delivery of fresh) messages.add(delivery);
      const excess = this.count + fresh.length - this.kept;
      if (excess > 0) {
        const oldest = await answer(messages.getAllKeys(null, excess));
        if (oldest.length > 0) messages.delete(upTo(oldest.at(-1)!));
      }
      return fresh;
    });
    this.count = Math.min(this.kept, this.count + fresh.length);
    return fresh;
  }

  async saveCursor(inboxSeq: number): Promise<void> {
    await write(this.database, [STATE], (store) => void store(STATE).put(inboxSeq, 'cursor'));
  }

  /** The highest confirmed `inboxSeq`. */
  async cursor(): Promise<number> {
    return ((await answer(reading(this.database, STATE).get('cursor'))) as number | undefined) ?? 0;
  }

  async generation(): Promise<string | undefined> {
    return (await answer(reading(this.database, STATE).get('generation'))) as string | undefined;
  }

  async reset(generation: string): Promise<void> {
    await write(this.database, [MESSAGES, STATE], (store) => {
      store(MESSAGES).clear();
      store(STATE).put(0, 'cursor');
      store(STATE).put(generation, 'generation');
    });
    this.count = 0;
  }

  /** Stored messages of a conversation: the newest below `beforeSeq`, at most `limit`, ascending by `seq`. */
  async page(conversationID: string, { beforeSeq = Infinity, limit = 50 } = {}): Promise<Delivery[]> {
    const range = between([conversationID, 0], [conversationID, beforeSeq]);
    const cursors = reading(this.database, MESSAGES).index('place').openCursor(range, 'prev');
    return new Promise((resolve, reject) => {
      const found: Delivery[] = [];
      cursors.onerror = () => reject(cursors.error ?? new Error('IndexedDB failed'));
      cursors.onsuccess = () => {
        const cursor = cursors.result;
        if (cursor && found.length < limit) {
          found.push(cursor.value as Delivery);
          cursor.continue();
        } else resolve(found.reverse());
      };
    });
  }

  close(): void {
    this.database.close();
  }
}

type Numbered = Unsettled & { n: number };

class UnsettledSends implements UnsettledStore {
  private readonly sends = new Map<string, Numbered>();
  private last: number;

  /** @param sends in ascending order of `n` */
  constructor(
    private readonly database: Database,
    sends: readonly Numbered[],
  ) {
    for (const send of sends) this.sends.set(send.clientMsgID, send);
    this.last = sends.at(-1)?.n ?? 0;
  }

  list(): readonly Unsettled[] {
    return [...this.sends.values()];
  }

  async keep({ clientMsgID, lane, json }: Unsettled): Promise<void> {
    // A repeated id replaces the existing record.
    const n = this.sends.get(clientMsgID)?.n ?? ++this.last;
    const send = { n, clientMsgID, lane, json };
    this.sends.set(clientMsgID, send);
    try {
      await write(this.database, [UNSETTLED], (store) => void store(UNSETTLED).put(send));
    } catch (error) {
      this.sends.delete(clientMsgID);
      throw error;
    }
  }

  async settled(clientMsgID: string): Promise<void> {
    const send = this.sends.get(clientMsgID);
    if (!send) return;
    this.sends.delete(clientMsgID);
    await write(this.database, [UNSETTLED], (store) => void store(UNSETTLED).delete(send.n));
  }
}
