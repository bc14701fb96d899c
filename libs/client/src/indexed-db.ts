/**
 * IndexedDB with promises. Only the used part of the browser's types is declared, because the DOM types would be in
 * scope of server code too.
 */
export interface Request<T> {
  readonly result: T;
  readonly error: Error | null;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

type Key = number | string | Key[];

/** Opaque to this code: an IDBKeyRange. */
type Range = object;

interface Readable {
  count(): Request<number>;
  getAll(query?: Range | null, count?: number): Request<unknown[]>;
  getAllKeys(query?: Range | null, count?: number): Request<Key[]>;
  getKey(key: Key): Request<Key | undefined>;
  get(key: Key): Request<unknown>;
  openCursor(query: Range, direction: 'prev'): Request<Cursor | null>;
}

export interface Cursor {
  readonly value: unknown;
  continue(): void;
}

export interface ObjectStore extends Readable {
  add(value: unknown, key?: Key): Request<Key>;
  put(value: unknown, key?: Key): Request<Key>;
  delete(key: Key | Range): Request<undefined>;
  clear(): Request<undefined>;
  index(name: string): Readable;
  createIndex(name: string, keyPath: string | string[], options?: { unique: boolean }): unknown;
}

interface Transaction {
  readonly error: Error | null;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
  objectStore(name: string): ObjectStore;
  abort(): void;
}

export interface Database {
  onversionchange: (() => void) | null;
  createObjectStore(name: string, options?: { autoIncrement?: boolean; keyPath?: string }): ObjectStore;
  transaction(stores: string[], mode: 'readonly' | 'readwrite', options?: { durability: 'strict' }): Transaction;
  close(): void;
}

interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null;
  onblocked: (() => void) | null;
}

const browser = globalThis as unknown as {
  indexedDB: { open(name: string, version: number): OpenRequest };
  IDBKeyRange: {
    bound(lower: Key, upper: Key, lowerOpen: boolean, upperOpen: boolean): Range;
    upperBound(key: Key): Range;
  };
};

/** Keys from `lower` to `upper`, both exclusive. */
export const between = (lower: Key, upper: Key): Range => browser.IDBKeyRange.bound(lower, upper, true, true);
export const upTo = (key: Key): Range => browser.IDBKeyRange.upperBound(key);

/** @param create creates the object stores of a new database */
export function openDatabase(name: string, create: (database: Database) => void): Promise<Database> {
  const request = browser.indexedDB.open(name, 1);
  request.onupgradeneeded = () => create(request.result);
  return answer(request).then((database) => {
    // Another page wants to delete or upgrade the database and waits until this connection is closed.
    database.onversionchange = () => database.close();
    return database;
  });
}

export function answer<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

/**
 * Runs `work` in one transaction. Resolves once the data is on disk; the default durability, "relaxed", may lose it at
 * a power failure. `work` may await only its own requests.
 */
export async function write<T>(
  database: Database,
  stores: string[],
  work: (store: (name: string) => ObjectStore) => Promise<T> | T,
): Promise<T> {
  const transaction = database.transaction(stores, 'readwrite', { durability: 'strict' });
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
  });
  done.catch(() => undefined);
  try {
    const result = await work((name) => transaction.objectStore(name));
    await done;
    return result;
  } catch (error) {
    abort(transaction);
    throw error;
  }
}

export const reading = (database: Database, store: string): ObjectStore =>
  database.transaction([store], 'readonly').objectStore(store);

function abort(transaction: Transaction): void {
  try {
    transaction.abort();
  } catch {
    // The transaction has already ended.
  }
}
