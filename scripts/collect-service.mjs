// Copies what services need to run into a folder: the compiled code of their packages and of the packages they depend
// on, and their package.json files. There, `npm install --omit=dev --workspaces` installs no other dependencies.
// Usage: node scripts/collect-service.mjs <folder> <service...>
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { cli, root, UserError } from './run.mjs';

await cli(async () => {
  const [target, ...services] = process.argv.slice(2);
  const known = readdirSync(join(root, 'apps'));
  if (services.length === 0 || services.some((service) => !known.includes(service))) {
    throw new UserError(`Usage: node scripts/collect-service.mjs <folder> <service...>, services: ${known.join(', ')}`);
  }
  if (!existsSync(join(root, 'dist/apps'))) throw new UserError('There is no build: run `npm run build`.');
  const copy = (path) => {
    const to = join(resolve(target), path);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(root, path), to, { recursive: true });
  };
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) if (existsSync(join(root, file))) copy(file);
  for (const folder of foldersFor(services.map((service) => `@huizhi/${service}`))) {
    copy(join(folder, 'package.json'));
    copy(join('dist', folder));
  }
});

/** The folders of these packages and of all packages that they depend on. */
function foldersFor(names) {
  const packages = new Map(
    ['apps', 'libs', 'tools'].flatMap((group) =>
      readdirSync(join(root, group)).map((one) => {
        const folder = join(group, one);
        const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
        return [manifest.name, { folder, dependencies: Object.keys(manifest.dependencies ?? {}) }];
      }),
    ),
  );
  const needed = new Set(names);
  for (const one of needed) {
    for (const dependency of packages.get(one).dependencies) if (packages.has(dependency)) needed.add(dependency);
  }
  return [...needed].map((one) => packages.get(one).folder);
}
