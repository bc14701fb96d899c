// Checks imports, including those of types: a package imports only what its package.json declares, no import reaches
// into another package's files, no declared dependency is unused, and no files import each other in a ring.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { cli, root } from './run.mjs';

const TEST_FILE = /\.test\.ts$|\/testing\//;
/** Loaded by name at run time, by Nest, TypeORM or decorators; no import shows it. */
const LOADED_BY_NAME = new Set(['@nestjs/platform-express', 'reflect-metadata', 'rxjs', 'pg']);

function importsOf(file) {
  const text = readFileSync(join(root, file), 'utf8');
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName, pos }) => ({
    name: fileName,
    at: `${file}:${text.slice(0, pos).split('\n').length}`,
  }));
}

/** `apps/gateway` of a file of a workspace; the empty string is the root, with its tests and scripts. */
const folderOf = (file) => /^(?:apps|libs|tools)\/[^/]+/.exec(file)?.[0] ?? '';

const packageOf = (name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/');

function* packageProblems(imports) {
  const manifests = new Map();
  const manifestOf = (folder) => {
    if (!manifests.has(folder))
      manifests.set(folder, JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')));
    return manifests.get(folder);
  };
  const used = new Map();
  const workspaces = new Set([...imports.keys()].map(folderOf).filter((folder) => folder !== ''));
  const entries = new Map();
  for (const folder of workspaces) {
    const { name, exports = {} } = manifestOf(folder);
    for (const entry of Object.keys(exports)) entries.set(`${name}${entry.slice(1)}`, folder);
    entries.set(name, entries.get(name) ?? folder);
  }
  const forTests = new Set(Object.keys(manifestOf('').devDependencies));
  for (const [file, names] of imports) {
    const folder = folderOf(file);
    const { name: own, dependencies = {}, peerDependencies = {} } = manifestOf(folder);
    const isTest = folder === '' || TEST_FILE.test(file);
    for (const { name, at } of names) {
      if (name.startsWith('.')) {
        // The model test runs the parts of the services in its own process.
        const target = folderOf(normalize(join(dirname(file), name)));
        if (target !== folder && folder !== '') yield `${at}: ${name} leaves ${folder}: import the package by its name`;
        continue;
      }
      if (name.startsWith('node:')) continue;
      const wanted = packageOf(name);
      if (wanted === own) {
        if (!isTest) yield `${at}: ${name} is this package: import the file`;
        continue;
      }
      if (wanted.startsWith('@huizhi/') && !entries.has(name)) yield `${at}: ${name} is no entry of ${wanted}`;
      const isDeclared = wanted in dependencies || wanted in peerDependencies;
      if (isDeclared) used.set(folder, (used.get(folder) ?? new Set()).add(wanted));
      else if (!(isTest && (forTests.has(wanted) || wanted.startsWith('@huizhi/')))) {
        yield `${at}: ${wanted} is no dependency in ${folder}/package.json`;
      }
    }
  }
  for (const folder of workspaces) {
    const { dependencies = {}, peerDependencies = {} } = manifestOf(folder);
    for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
      if (used.get(folder)?.has(name) || LOADED_BY_NAME.has(name)) continue;
      yield `${folder}/package.json: ${name} is not imported`;
    }
  }
}

/** Rings of files, each once: the strongly connected components (Tarjan) with more than one file. */
function* ringProblems(imports) {
  const targets = (file) =>
    imports
      .get(file)
      .filter(({ name }) => name.startsWith('.'))
      .map(({ name }) => normalize(join(dirname(file), name)).replace(/\.js$/, '.ts'))
      .filter((target) => imports.has(target));
  const index = new Map();
  const low = new Map();
  const stack = [];
  const rings = [];
  const visit = (file) => {
    index.set(file, index.size);
    low.set(file, index.get(file));
    stack.push(file);
    for (const target of targets(file)) {
      if (!index.has(target)) {
        visit(target);
        low.set(file, Math.min(low.get(file), low.get(target)));
      } else if (stack.includes(target)) {
        low.set(file, Math.min(low.get(file), index.get(target)));
      }
    }
    if (low.get(file) !== index.get(file)) return;
    const ring = stack.splice(stack.indexOf(file));
    if (ring.length > 1) rings.push(ring);
  };
  for (const file of imports.keys()) if (!index.has(file)) visit(file);
  for (const ring of rings) yield `a ring of ${ring.length} files: ${ring.sort().join(', ')}`;
}

await cli(async () => {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((file) => file !== '' && existsSync(join(root, file)));
  const imports = new Map(files.map((file) => [file, importsOf(file)]));
  const problems = [...packageProblems(imports), ...ringProblems(imports)];
  for (const problem of problems) console.log(problem);
  if (problems.length > 0) console.log(`${problems.length} problems of imports: see docs/decisions/packages.md`);
  return problems.length === 0 ? 0 : 1;
});
