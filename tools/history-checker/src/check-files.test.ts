import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { logLine } from './index.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkFiles, describeVerdict } from './check-files.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-check-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function log(name: string, ...lines: string[]): string {
  const file = join(folder, name);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}

const receipt = { clientMsgID: 'c1', messageID: '1024', conversation: 'p_x', seq: 1, serverTime: '1' };

test('checkFiles() reports no violation when several logs are correct', async () => {
  const alice = log(
    'alice.ndjson',
    logLine('alice', 'phone', { ev: 'invoke', clientMsgID: 'c1', target: 'u:bob', hash: 'h' }),
    logLine('alice', 'phone', { ev: 'ok', ...receipt }),
    '',
  );
  const bob = log('bob.ndjson', logLine('bob', 'phone', { ev: 'quiet' }));
  const verdict = await checkFiles([alice, bob]);
  expect(describeVerdict(verdict).at(-1)).toBe('no violation');
  expect(verdict.counts).toMatchObject({ lines: 3, devices: 2, sends: 1, stored: 1 });
});

test('describeVerdict() names the rule, the device and the violation', async () => {
  const alice = log(
    'alice.ndjson',
    logLine('alice', 'phone', { ev: 'invoke', clientMsgID: 'c1', target: 'u:bob', hash: 'h' }),
    logLine('alice', 'phone', { ev: 'ok', ...receipt }),
    logLine('alice', 'phone', { ev: 'ok', ...receipt, serverTime: '2' }),
  );
  const [first, , last] = describeVerdict(await checkFiles([alice]));
  expect(first).toMatch(/^I10 +alice\/phone: the receipt of c1 was/);
  expect(last).toBe('1 violations');
});

test('checkFiles() rejects with the file and line when a line is invalid', async () => {
  await expect(checkFiles([log('bad.ndjson', logLine('a', 'b', { ev: 'quiet' }), 'nonsense')])).rejects.toThrow(
    /bad\.ndjson:2 /,
  );
});
