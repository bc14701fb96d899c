import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Random, safe in URLs, SQL literals and configuration files. 192 bits. */
export function randomSecret(): string {
  return randomBytes(24).toString('hex');
}

/** A JSON file only its owner can read, `undefined` when there is none. Throws when it is not JSON. */
export function readState<T>(file: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`${file} is not JSON; it holds the secrets of this data folder: restore it or remove the folder`, {
      cause: error,
    });
  }
}

/** Replaces the file at once, so that a crash leaves either the old or the new one. */
export function writeState(file: string, state: object): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/** A new folder. When we are root, PostgreSQL's user must be able to pass through it; the files in it are closed to others. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'huizhi-'));
  chmodSync(folder, 0o711);
  return folder;
}
