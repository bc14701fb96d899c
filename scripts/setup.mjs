// Prepares a checkout: packages, servers, a build. Does only what is missing.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installArguments, toolEnvironment } from './environment.mjs';
import { cli, root, run, step, UserError } from './run.mjs';

const MIN_NODE = [20, 19];
const MIN_POSTGRES = 14;
const INSTALL_STAMP = join(root, 'node_modules', '.huizhi-installed');
const BUILD_STAMP = join(root, 'dist', '.built');

/** @param forTests also install what only the tests need */
export async function setup({ forTests = false } = {}) {
  checkNode();
  await installPackages();
  await installServers(forTests);
  await build();
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return;
  throw new UserError(
    `Node ${MIN_NODE.join('.')} or newer is needed; this is ${process.version}. Install it from https://nodejs.org`,
  );
}

async function installPackages() {
  const folders = ['apps', 'libs', 'tools'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name)),
  );
  const manifests = ['.', ...folders].map((folder) => join(root, folder, 'package.json'));
  const wanted = newest([...manifests, join(root, 'package-lock.json')]);
  if (modified(INSTALL_STAMP) >= wanted) return;
  await step('installing npm packages', 'npm', installArguments, {
    fix: 'Is the npm registry reachable? Try `npm install --include=dev` by hand.',
    env: toolEnvironment(process.env),
  });
  writeFileSync(INSTALL_STAMP, '');
}

async function installServers(forTests) {
  const missing = missingPrograms(forTests);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((each) => each.debian))];
  const list = missing.map(
    (each) => `  - ${each.what} (Debian and Ubuntu: ${each.debian}; macOS: brew install ${each.brew})`,
  );
  const byHand = `Missing:\n${list.join('\n')}\nInstall them, or see docs/operations.md for servers of your own, and start again.`;
  const apt = find('apt-get');
  if (!apt) throw new UserError(byHand);
  const sudo = await rootPrefix();
  if (!sudo)
    throw new UserError(`${byHand}\n\n  sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`);

  const fix = `Install by hand: apt-get install ${packages.join(' ')}`;
  const [command, ...prefix] = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', apt];
  await step('updating the package lists', command, [...prefix, 'update', '-qq'], { fix });
  // Debian would create and start a cluster; dev-env runs its own cluster on another port.
  if (packages.includes('postgresql')) await keepDebianFromCreatingACluster(sudo);
  const args = [...prefix, 'install', '-y', '--no-install-recommends', ...packages];
  await step(`installing ${packages.join(', ')}`, command, args, { fix });
  const still = missingPrograms(forTests);
  if (still.length > 0)
    throw new UserError(`${still.map((each) => each.what).join(', ')} still missing after the installation. ${fix}`);
}

function missingPrograms(forTests) {
  const isServerNamed = (prefix) => Boolean(process.env[`${prefix}_URL`] || process.env[`${prefix}_HOST`]);
  const wanted = [
    {
      what: `PostgreSQL ${MIN_POSTGRES} or newer (server programs)`,
      ...{ debian: 'postgresql', brew: 'postgresql@16' },
      needed: !(isServerNamed('HZ_MESSAGE_DATABASE') && isServerNamed('HZ_OFFLINE_DATABASE')),
      found: () => postgresFolder() !== undefined,
    },
    {
      what: 'nats-server',
      debian: 'nats-server',
      brew: 'nats-server',
      needed: !isServerNamed('HZ_NATS'),
      found: () => find('nats-server'),
    },
    { what: 'openssl', debian: 'openssl', brew: 'openssl', needed: true, found: () => find('openssl') },
    // For tests with wrong clocks.
    { what: 'faketime', debian: 'faketime', brew: 'libfaketime', needed: forTests, found: () => find('faketime') },
    // For tests of a client in another language.
    { what: 'Python 3', debian: 'python3', brew: 'python3', needed: forTests, found: () => find('python3') },
    // For tests with a pooler between the services and PostgreSQL.
    { what: 'PgBouncer', debian: 'pgbouncer', brew: 'pgbouncer', needed: forTests, found: () => find('pgbouncer') },
    // For tests of the configurations in docs/proxies.md.
    { what: 'nginx', debian: 'nginx', brew: 'nginx', needed: forTests, found: () => find('nginx') },
    {
      what: 'the stream module of nginx',
      ...{ debian: 'libnginx-mod-stream', brew: 'nginx' },
      needed: forTests && existsSync('/etc/debian_version'),
      found: () => existsSync('/usr/lib/nginx/modules/ngx_stream_module.so'),
    },
    { what: 'HAProxy', debian: 'haproxy', brew: 'haproxy', needed: forTests, found: () => find('haproxy') },
    { what: 'Caddy', debian: 'caddy', brew: 'caddy', needed: forTests, found: () => find('caddy') },
    // For tests of the SDK in a browser.
    { what: 'Chromium', debian: 'chromium', brew: 'chromium', needed: forTests, found: () => find('chromium') },
  ];
  return wanted.filter(({ needed, found }) => needed && !found());
}

function postgresFolder() {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).filter((name) => Number(name) >= MIN_POSTGRES) : [];
  const folders = [...versions.map((name) => join(base, name, 'bin')), ...searchPath(), '/usr/local/pgsql/bin'];
  return folders.find((folder) => isExecutable(join(folder, 'postgres')) && isExecutable(join(folder, 'initdb')));
}

async function keepDebianFromCreatingACluster(sudo) {
  const file = '/etc/postgresql-common/createcluster.conf';
  if (existsSync(file)) return;
  const script = `mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > ${file}`;
  const [command, ...args] = [...sudo, 'sh', '-c', script];
  // Optional: a default cluster on port 5432 does not interfere.
  await run(command, args, { quiet: true });
}

/** The command prefix for root: empty for root, `sudo -n` when it needs no password, otherwise undefined. */
async function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  if (!find('sudo')) return undefined;
  const { code } = await run('sudo', ['-n', 'true'], { quiet: true });
  return code === 0 ? ['sudo', '-n'] : undefined;
}

async function build() {
  const sources = [
    'apps',
    'libs',
    'tools',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'nest-cli.json',
  ].map((name) => join(root, name));
  if (modified(BUILD_STAMP) >= newest(sources)) return;
  const started = new Date();
  await step('building', 'npm', ['run', '--silent', 'build'], {
    fix: 'Fix the errors above and start again.',
    env: toolEnvironment(process.env),
  });
  mkdirSync(join(root, 'dist'), { recursive: true });
  // The time of the start: files that changed during the build are not in it.
  writeFileSync(BUILD_STAMP, `${started.toISOString()}\n`);
  utimesSync(BUILD_STAMP, started, started);
}

function searchPath() {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/usr/bin'].filter(Boolean);
}

function find(name) {
  return searchPath()
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

/** The latest modification of files and of everything in folders. A folder's own time reveals removed files. */
function newest(paths) {
  let latest = 0;
  for (const path of paths.filter((each) => existsSync(each))) {
    latest = Math.max(latest, statSync(path).mtimeMs);
    if (statSync(path).isDirectory())
      latest = Math.max(latest, newest(readdirSync(path).map((name) => join(path, name))));
  }
  return latest;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await cli(() => setup({ forTests: process.argv.includes('--tests') }));
