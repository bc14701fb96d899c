import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/constellation';
import { expect, test } from '@jest/globals';

/** docs/security-controls.md names a test for each control; this sees to it that they are there. */

const root = projectRoot();
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/security-controls.md');
const cells = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
const plain = (cell = ''): string => cell.replace(/^`|`$/g, '');

const controls = page
  .split('\n')
  .map(cells)
  .filter(([control, , file, title]) => control && title && file?.endsWith('.test.ts`'))
  .map(([control, variable, file, title]) => ({
    control,
    variable: plain(variable),
    file: plain(file),
    title: title ?? '',
  }));

const tests = ['apps', 'libs', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(folder, path)),
);

test('there are controls', () => {
  expect(controls.length).toBeGreaterThan(50);
});

test.each(controls)('$control: $file has the test', ({ file, title }) => {
  const files = tests.filter((path) => path.endsWith(`/${file}`));
  expect(files.length).toBeGreaterThan(0);
  expect(files.some((path) => read(path).includes(title))).toBe(true);
});

const variables = [
  ...(
    /<!-- generated:config gateway -->([^]*?)<!-- \/generated -->/.exec(read('docs/operations.md'))?.[1] ?? ''
  ).matchAll(/^\| `(\w+)`/gm),
].map(([, name]) => name ?? '');

test('each variable named is one of the gateway, and each limit of the gateway is named', () => {
  const named = new Set(controls.map(({ variable }) => variable).filter((name) => name !== ''));
  expect([...named].filter((name) => !variables.includes(name))).toEqual([]);
  const limits = variables.filter((name) =>
    /^MAX_|_(BYTES|DEADLINE|BUDGET|SECOND|ADDRESS|ATTEMPTS|SENDS|STALL|OVERDUE)$|^WINDOW$/.test(name),
  );
  // What the server itself writes is not a client's to break.
  expect(limits.filter((name) => name !== 'BATCH_BYTES' && !named.has(name))).toEqual([]);
});
