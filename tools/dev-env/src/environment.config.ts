import { delimiter } from 'node:path';

/** All that this library takes from the environment. Looked at anew at each call: the test run sets some of it. */

/** A superuser's URL of the PostgreSQL that the suites of a test run share; `npm test` sets it. */
export const sharedPostgresUrl = (): string | undefined => process.env['HZ_TEST_POSTGRES_URL'] || undefined;

/** The folders of PATH, in its order. */
export const searchPath = (): string[] =>
  (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');

/**
 * For a program that is started: nothing of ours but what it needs to run. A variable of the caller's shell, a language or a
 * time zone among them, must change neither a test nor a local start.
 */
export function inherited(): Record<string, string> {
  // The last one: behind a proxy that has a certificate of its own, nothing outside can be reached without.
  const names = ['PATH', 'HOME', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
