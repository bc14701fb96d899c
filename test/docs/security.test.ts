import { expect, test } from '@jest/globals';
import { plain, read, rowsOf, titlesOf } from './named-tests.js';

/** docs/security-controls.md names a test for each control. Checks that these tests exist and run. */

const controls = rowsOf(read('docs/security-controls.md'))
  .filter(([control, , file, title]) => control && title && file?.endsWith('.test.ts`'))
  .map(([control, variable, file, title]) => ({ control, variable: plain(variable), file: plain(file), title }));

test('security-controls.md has controls', () => {
  expect(controls.length).toBeGreaterThan(50);
});

test.each(controls)('control $control: $file has the named test, and it runs', ({ file, title }) => {
  expect(titlesOf(file)).toContain(title);
});

const variables = [
  ...(
    /<!-- generated:config gateway -->([^]*?)<!-- \/generated -->/.exec(read('docs/operations.md'))?.[1] ?? ''
  ).matchAll(/^\| `(\w+)`/gm),
].map(([, name]) => name ?? '');

test('security-controls.md names only variables of the gateway, and all of its limits', () => {
  const named = new Set(controls.map(({ variable }) => variable).filter((name) => name !== ''));
  expect([...named].filter((name) => !variables.includes(name))).toEqual([]);
  const limits = variables.filter((name) =>
    /^HZ_MAX_|_(BYTES|DEADLINE|BUDGET|SECOND|ADDRESS|ATTEMPTS|SENDS|STALL|OVERDUE)$|^HZ_WINDOW$/.test(name),
  );
  // A client cannot exceed limits on what the server itself writes.
  expect(limits.filter((name) => name !== 'HZ_BATCH_BYTES' && !named.has(name))).toEqual([]);
});
