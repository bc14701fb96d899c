// Runs all tests on real servers: one PostgreSQL for the run, then jest. Arguments go to jest. With --quick: only the
// tests that need no servers. The last line is the count.
import { mkdtempSync, chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startEnvironment } from './environment.mjs';
import { cli, root, run } from './run.mjs';
import { setup } from './setup.mjs';

const SLOWEST = 40;

const isQuick = process.argv.includes('--quick');

await cli(async () => {
  // The tests always start their own servers, even if the shell names others. Variables of node-postgres are removed
  // from this process too, because it starts PostgreSQL.
  for (const name of Object.keys(process.env)) {
    if (/^(HZ_((MESSAGE|OFFLINE)_DATABASE|NATS)_|PG[A-Z_]+$)/.test(name)) delete process.env[name];
  }
  await setup({ forTests: true });
  const folder = mkdtempSync(join(tmpdir(), 'huizhi-test-'));
  // As root, PostgreSQL runs as another user, which must be able to pass through this folder.
  chmodSync(folder, 0o711);
  const { Postgres } = await import(pathToFileURL(join(root, 'dist/tools/dev-env/src/index.js')).href);
  let postgres;
  try {
    const dataDir = join(folder, 'postgres');
    if (!isQuick) postgres = await Postgres.start({ dataDir, note: (text) => console.log(text) });
    return await jest(join(folder, 'result.json'), postgres?.url('postgres'));
  } finally {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

async function jest(resultFile, postgresUrl) {
  const args = process.argv.slice(2).filter((arg) => arg !== '--quick');
  const quick = isQuick ? ['--testPathIgnorePatterns=\\.(it|e2e)\\.test\\.ts$'] : [];
  const workers = args.some((arg) => /^(-i|-w|--runInBand|--maxWorkers)/.test(arg)) ? [] : ['--maxWorkers=3'];
  // A limit for tests that do not end; busy machines need much of it. Jest reads it from the command line only, not
  // from a project.
  const timeout = args.some((arg) => arg.startsWith('--testTimeout')) ? [] : ['--testTimeout=180000'];
  const { code } = await run(
    process.execPath,
    [
      ...['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'],
      ...[...workers, ...timeout, ...quick, '--json', `--outputFile=${resultFile}`, ...args],
    ],
    { env: testEnvironment(postgresUrl) },
  );
  const count = counts(resultFile);
  for (const line of slowest(resultFile)) console.log(line);
  console.log(`${count.passed} passed, ${count.failed} failed`);
  return code !== 0 ? code : count.failed > 0 ? 1 : 0;
}

/** Jest uses NODE_ENV if it is set; without it, jest sets `test`. */
function testEnvironment(postgresUrl) {
  const { NODE_ENV: _, ...env } = startEnvironment(process.env);
  return { ...env, ...(postgresUrl && { HZ_TEST_POSTGRES_URL: postgresUrl }) };
}

/** A test file that cannot be loaded counts as one failed test. */
function counts(resultFile) {
  if (!existsSync(resultFile)) return { passed: 0, failed: 1 };
  const result = JSON.parse(readFileSync(resultFile, 'utf8'));
  return { passed: result.numPassedTests, failed: result.numFailedTests + result.numRuntimeErrorTestSuites };
}

/** The slowest test files. */
function slowest(resultFile) {
  if (!existsSync(resultFile)) return [];
  const { testResults } = JSON.parse(readFileSync(resultFile, 'utf8'));
  const files = testResults.map((one) => ({ name: relative(root, one.name), ms: one.endTime - one.startTime }));
  if (files.length < 2 * SLOWEST) return [];
  const rows = files.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  return ['Slowest files:', ...rows.map(({ name, ms }) => `${(ms / 1_000).toFixed(1).padStart(7)} s  ${name}`)];
}
