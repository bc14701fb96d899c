import { delimiter } from 'node:path';

/** All that this library takes from the environment. Looked at anew at each call: the test run sets some of it. */

/** A superuser's URL of the PostgreSQL that the suites of a test run share; `npm test` sets it. */
export const sharedPostgresUrl = (): string | undefined => process.env['HZ_TEST_POSTGRES_URL'] || undefined;

/** The folders of PATH, in its order. */
export const searchPath = (): string[] =>
  (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');

/** For a program that is started: nothing of ours but what it needs to run. A variable of the caller's shell must not change a test. */
export function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
