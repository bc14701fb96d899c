import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { expect, test } from '@jest/globals';

/** Checks that the targets of the documents exist: links, their anchors, and files named in backticks. */

const root = projectRoot();
const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', '.git', '.data']);

/** Every file and folder of the project, prefixed with `/`. */
function* tree(folder = root): Iterable<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (NOT_OURS.has(entry.name)) continue;
    const path = join(folder, entry.name);
    yield `/${relative(root, path)}`;
    if (entry.isDirectory()) yield* tree(path);
  }
}

const paths = [...tree()];
const folders = readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);
const documents = paths.filter((path) => path.endsWith('.md')).map((path) => path.slice(1));

const prose = (document: string): string => readFileSync(join(root, document), 'utf8').replace(/^```[^]*?^```$/gm, '');

/** The anchor that GitHub makes for a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsIn = (document: string): string[] =>
  [...prose(document).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? ''));

function brokenLink(document: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? join(root, document) : resolve(root, dirname(document), path);
  if (!existsSync(file)) return true;
  return anchor !== undefined && !anchorsIn(relative(root, file)).includes(anchor);
}

/**
 * Whether the text is a path: from the root, or the end of a path whose folder the section has named. `*` stands for a
 * name.
 */
function isPath(span: string): boolean {
  if (!/^[\w.*/-]+$/.test(span) || /^(dist|node_modules|\.data)\//.test(span)) return false;
  return folders.some((folder) => span.startsWith(`${folder}/`)) || /^[^.].*\.(ts|mjs|md)$/.test(span);
}

function isThere(path: string): boolean {
  const pattern = path.replace(/\/$/, '').replaceAll('.', '\\.').replaceAll('*', '[^/]*');
  const end = new RegExp(`/${pattern}$`);
  return paths.some((one) => end.test(one));
}

test.each(documents)('%s has no broken link', (document) => {
  const links = [...prose(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
  const broken = links.filter((target) => !/^[a-z]+:/.test(target) && brokenLink(document, target));
  expect(broken).toEqual([]);
});

test.each(documents)('%s names only files that exist', (document) => {
  const spans = [...prose(document).matchAll(/`([^`\n]+)`/g)].map(([, span]) => span ?? '');
  expect(spans.filter((span) => isPath(span) && !isThere(span))).toEqual([]);
});

test('the checks report missing targets and files', () => {
  expect(brokenLink('README.md', 'docs/nowhere.md')).toBe(true);
  expect(brokenLink('docs/operations.md', 'protocol.md#nothing-of-the-kind')).toBe(true);
  expect(brokenLink('docs/operations.md', '../README.md')).toBe(false);
  expect(
    ['apps/nowhere', 'lanes/nowhere.ts', 'test/*.nowhere.ts'].filter((path) => isPath(path) && isThere(path)),
  ).toEqual([]);
  expect(['apps/gateway', 'commands/router.ts', 'test/*.e2e.test.ts'].every(isThere)).toBe(true);
});
