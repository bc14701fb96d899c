import { delimiter } from 'node:path';

/**
 * All environment variables that this library reads. Each call reads the current value: the test run sets some of them.
 */

/** A superuser's URL of the PostgreSQL server that all suites of a test run share; `npm test` sets it. */
export const sharedPostgresUrl = (): string | undefined => process.env['HZ_TEST_POSTGRES_URL'] || undefined;

/** The folders of PATH, in order. */
export const searchPath = (): string[] =>
  (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');

/**
 * The environment for a child process: only the variables it needs to run. Other variables of the caller's shell, such
 * as language or time zone, must not affect tests or local starts.
 */
export function inherited(): Record<string, string> {
  // NODE_EXTRA_CA_CERTS: behind a proxy with its own certificate, outside servers are unreachable without it.
  const names = ['PATH', 'HOME', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
