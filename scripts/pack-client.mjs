// Packs the client SDK as it would be published: bundled code of libs/client with the protocol in it, and its types.
// Usage: node scripts/pack-client.mjs [folder]; prints the path of the tarball.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { cli, root, run, UserError } from './run.mjs';

const ENTRIES = ['index', 'browser'];
const source = join(root, 'libs/client');

async function bundle(staging) {
  const options = { bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning' };
  const entry = (name) => ({ entryPoints: [join(source, `src/${name}.ts`)], outfile: join(staging, `${name}.js`) });
  await build({ ...options, ...entry('index'), platform: 'node', external: ['ws'] });
  await build({ ...options, ...entry('browser'), platform: 'browser' });
}

/** Declarations of all files that the entries reach, with relative paths in place of the workspace's names. */
function declare(staging) {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const program = ts.createProgram(
    ENTRIES.map((name) => join(source, `src/${name}.ts`)),
    { ...options, ...{ declaration: true, emitDeclarationOnly: true, sourceMap: false, noEmit: false } },
  );
  const libs = join(root, 'libs');
  const protocol = join(staging, 'types/protocol/src/client.js');
  program.emit(undefined, (file, text) => {
    const target = join(staging, 'types', relative(libs, file));
    const path = relative(dirname(target), protocol);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(
      target,
      text.replaceAll("'@huizhi/protocol/client'", `'${path.startsWith('.') ? path : `./${path}`}'`),
    );
  });
}

function describe(staging) {
  const { name, version, description, license, dependencies } = JSON.parse(
    readFileSync(join(source, 'package.json'), 'utf8'),
  );
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const protocol = JSON.parse(readFileSync(join(root, 'libs/protocol/package.json'), 'utf8'));
  const types = (entry) => `./types/client/src/${entry}.d.ts`;
  const manifest = {
    ...{ name, version, description, license, type: 'module', engines },
    exports: {
      '.': { types: types('index'), browser: './browser.js', default: './index.js' },
      './browser': { types: types('browser'), default: './browser.js' },
    },
    // The types of frames are made with typebox; no code of it is loaded.
    dependencies: { ws: dependencies.ws, typebox: protocol.dependencies.typebox },
  };
  writeFileSync(join(staging, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of [join(source, 'README.md'), join(root, 'LICENSE')])
    cpSync(file, join(staging, file.split('/').at(-1)));
}

await cli(async () => {
  const folder = resolve(process.argv[2] ?? join(root, 'dist/npm'));
  const staging = join(folder, 'package');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  await bundle(staging);
  declare(staging);
  describe(staging);
  const { code, output } = await run('npm', ['pack', staging, '--pack-destination', folder, '--silent'], {
    quiet: true,
  });
  if (code !== 0) throw new UserError(output);
  rmSync(staging, { recursive: true });
  console.log(
    join(
      folder,
      readdirSync(folder).find((file) => file.endsWith('.tgz')),
    ),
  );
});
