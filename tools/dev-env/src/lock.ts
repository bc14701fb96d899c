import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatIdentity, identityOf, isAlive, parseIdentity, type ProcessIdentity } from './pid-file.js';
import { randomSecret } from './state.js';

export class DataFolderInUseError extends Error {
  override name = 'DataFolderInUseError';
  constructor(
    readonly folder: string,
    readonly pid: number,
  ) {
    super(`the data folder ${folder} is in use by process ${pid}: stop that one first, or choose another folder`);
  }
}

/** Allows one process per data folder. A lock whose process has ended is taken over. */
export class DataLock {
  private constructor(private readonly file: string) {}

  /** Creates the folder if it is missing. Throws DataFolderInUseError while another process holds the lock. */
  static acquire(folder: string): DataLock {
    // Other users may only pass through the folder: PostgreSQL, as another user, may have its files below it.
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    const file = join(folder, 'lock');
    const draft = join(folder, `lock.${randomSecret()}`);
    writeFileSync(draft, formatIdentity(identityOf(process.pid) as ProcessIdentity), { mode: 0o600 });
    try {
      // Another process may take or release the lock between any two steps; a few rounds resolve such races.
      for (let round = 0; round < 10; round++) {
        try {
          linkSync(draft, file);
          return new DataLock(file);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
        const holder = readHolder(file);
        if (holder.identity && isAlive(holder.identity)) throw new DataFolderInUseError(folder, holder.identity.pid);
        removeStale(folder, file, holder.text);
      }
      throw new Error(`cannot take the lock ${file}: others keep taking and leaving it`);
    } finally {
      rmSync(draft, { force: true });
    }
  }

  release(): void {
    rmSync(this.file, { force: true });
  }
}

function readHolder(file: string): { text: string; identity: ProcessIdentity | undefined } {
  try {
    const text = readFileSync(file, 'utf8');
    return { text, identity: parseIdentity(text) };
  } catch {
    return { text: '', identity: undefined };
  }
}

/** Moves the lock aside before removing it. If its content has changed since it was read, puts it back. */
function removeStale(folder: string, file: string, text: string): void {
  const aside = join(folder, `lock.${randomSecret()}`);
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  try {
    if (readFileSync(aside, 'utf8') !== text) linkSync(aside, file);
  } finally {
    rmSync(aside, { force: true });
  }
}
