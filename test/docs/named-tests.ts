import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import ts from 'typescript';

/** For documents that name a test for each promise: checks that the test exists and runs. */

const RUNS = /^(test|it)(\.each)?$/;
const DOES_NOT = /^x?(describe|test|it)\.(skip|todo|failing)|^x(describe|test|it)$/;

export const read = (path: string): string => readFileSync(join(projectRoot(), path), 'utf8');

/** The rows of every table of a document, without the bars. */
export const rowsOf = (markdown: string): string[][] =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.slice(1, line.lastIndexOf('|')).split('|'))
    .map((cells) => cells.map((cell) => cell.trim()));

export const plain = (cell = ''): string => cell.replace(/^`|`$/g, '');

/** The titles of all tests that run, as written in the source. Skipped tests and comments do not count. */
export function titlesIn(source: string): Set<string> {
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const callee = nameOf(node.expression);
      const [title] = node.arguments;
      if (DOES_NOT.test(callee)) return;
      if (RUNS.test(callee) && title && ts.isStringLiteralLike(title)) titles.add(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('a.test.ts', source, ts.ScriptTarget.Latest));
  return titles;
}

/** Also resolves `test.each` in `test.each(rows)`. */
function nameOf(callee: ts.Expression): string {
  if (ts.isIdentifier(callee)) return callee.text;
  if (ts.isPropertyAccessExpression(callee)) return `${nameOf(callee.expression)}.${callee.name.text}`;
  return ts.isCallExpression(callee) ? nameOf(callee.expression) : '';
}

const paths = ['apps', 'libs', 'tools', 'test'].flatMap((folder) =>
  readdirSync(join(projectRoot(), folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(folder, path)),
);

/** The titles in all files of this name. Documents leave out the folder. */
export const titlesOf = (file: string): string[] =>
  paths.filter((path) => path.endsWith(`/${file}`)).flatMap((path) => [...titlesIn(read(path))]);
