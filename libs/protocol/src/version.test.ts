import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { closeTable } from './closes.js';
import { downSchemas } from './down.js';
import { errorTable } from './errors.js';
import { sha256 } from './sha256.js';
import { upSchemas } from './up.js';
import { OLDEST_VERSION, PROTOCOL_VERSION } from './version.js';

/** Hash of the wire schema of each version, which clients of that version depend on. */
const WIRE: Record<number, string> = {
  2: 'edc40013ab581bea6a16b3cf94c9f62a2099ca82cb79fd8c579868ac0c18b53c',
};

/** JSON with sorted object keys, so that only a change of meaning changes the text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}

test('the wire schema has the pinned hash of this version', () => {
  const wire = canonical(JSON.parse(JSON.stringify({ upSchemas, downSchemas, errorTable, closeTable })));
  const hash = sha256(wire).toString('hex');
  if (hash === WIRE[PROTOCOL_VERSION]) return;
  throw new Error(
    `The wire schema has changed. Its hash is ${hash}; version ${PROTOCOL_VERSION} is pinned to ${WIRE[PROTOCOL_VERSION] ?? 'nothing'}.\n` +
      'If clients of this version can ignore the change (a new optional field, a new row in a table), pin the new hash here.\n' +
      'If not, raise PROTOCOL_VERSION in version.ts, describe the version there, pin its hash here, and keep supporting the old one.\n' +
      'In both cases run `npm run build && npm run docs`, and update libs/protocol/fixtures and the text of docs/protocol.md.',
  );
});

test('each version has a line in the comment of version.ts', () => {
  const source = readFileSync(new URL('version.ts', import.meta.url), 'utf8');
  for (let version = 1; version <= PROTOCOL_VERSION; version++)
    expect(source).toMatch(new RegExp(`^ \\* ${version} — .+`, 'm'));
  expect(OLDEST_VERSION).toBeLessThanOrEqual(PROTOCOL_VERSION);
});
