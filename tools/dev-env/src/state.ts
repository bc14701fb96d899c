import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** 192 random bits in hexadecimal: safe in URLs, SQL literals and configuration files. */
export function randomSecret(): string {
  return randomBytes(24).toString('hex');
}

/** Reads a JSON file; `undefined` when it does not exist. Throws when it is not JSON. */
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

/** Replaces the file atomically with mode 0600: a crash leaves either the old or the new one. */
export function writeState(file: string, state: object): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/**
 * A new temporary folder. PostgreSQL's user must be able to pass through it when this process is root; others cannot
 * list it.
 */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'huizhi-'));
  chmodSync(folder, 0o711);
  return folder;
}
