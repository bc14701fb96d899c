import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolderInUseError, DataLock } from './lock.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('DataLock', () => {
  it('refuses a second holder, and can be acquired again after its release', () => {
    const lock = DataLock.acquire(folder);
    expect(() => DataLock.acquire(folder)).toThrow(DataFolderInUseError);
    expect(() => DataLock.acquire(folder)).toThrow(`in use by process ${process.pid}`);
    lock.release();
    DataLock.acquire(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['a process that has ended', '999999999 123\n'],
    ['an earlier process with the same pid', `${process.pid} 1\n`],
    ['an unknown process: the file is not a lock', 'garbage'],
  ])('takes over the lock of %s', (_whose, text) => {
    writeFileSync(join(folder, 'lock'), text);
    DataLock.acquire(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });
});
