import type { DevEnvOptions, ServiceName } from '@huizhi/dev-env';
import type { ServiceConfigs } from './service-configs.js';
import { unknownVariables } from './unknown-variables.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Variables that a local start sets itself: it creates ports, certificate and tokens, and starts one process per
 * service.
 */
const DECIDED = [
  ...['HZ_HTTP_HOST', 'HZ_HTTP_PORT', 'HZ_INSTANCE_ID', 'HZ_TLS_CERT_FILE', 'HZ_TLS_KEY_FILE'],
  ...['HZ_JWT_SECRET', 'HZ_JWT_SECRET_FILE', 'HZ_JWKS_URL', 'HZ_JWT_ISSUER', 'HZ_JWT_AUDIENCE', 'HZ_JWT_USER_CLAIM'],
];
/** Variables with the address of an existing server; they do not change the behaviour of a service. */
const SERVER = /^HZ_(NATS|MESSAGE_DATABASE|OFFLINE_DATABASE)_(URL|HOST|PORT|USER|PASSWORD|NAME|SSLMODE)(_FILE)?$/;

/** Default origins for web development: a dev server on this machine, on any port. */
const LOCAL_ORIGINS = ['localhost', '127.0.0.1', '[::1]']
  .flatMap((host) => [`http://${host}:*`, `https://${host}:*`])
  .join();

export class SettingsError extends Error {
  override name = 'SettingsError';
}

export interface UpSettings {
  readonly options: DevEnvOptions;
  /** Notes about variables that have no effect, one line each. */
  readonly notes: readonly string[];
}

/**
 * Passes every variable to its service, except those that the start sets itself. A server given by variables is not
 * started.
 * @throws SettingsError that names every invalid variable
 */
export function settingsFrom(env: Environment, configs: ServiceConfigs): UpSettings {
  const given: NonNullable<DevEnvOptions['env']> = { all: { NODE_ENV: 'development' } };
  const databaseUrls: NonNullable<DevEnvOptions['databaseUrls']> = {};
  const problems = new Set<string>();
  let nats: string | undefined;
  for (const [service, { variables, read }] of configs) {
    const set = [...variables].filter((name) => env[name]?.trim());
    const valuesOf = (names: readonly string[]): Record<string, string> =>
      Object.fromEntries(names.map((name) => [name, env[name] as string]));
    const servers = set.filter((name) => SERVER.test(name));
    const own = (given[service] = {
      ...(service === 'gateway' ? { HZ_ALLOWED_ORIGINS: LOCAL_ORIGINS } : {}),
      ...valuesOf(set.filter((name) => isPassed(name, env))),
    });
    const { problems: wrong, values } = read({ ...startsOwn(service, servers), ...own, ...valuesOf(servers) });
    for (const problem of wrong) problems.add(problem);
    if (isNamed('HZ_NATS', servers)) nats = values['HZ_NATS_URL'] as string;
    for (const schema of ['message', 'offline'] as const) {
      const prefix = databaseOf(schema);
      if (isNamed(prefix, servers)) databaseUrls[schema] = values[`${prefix}_URL`] as string;
    }
  }
  if (problems.size > 0) throw new SettingsError(['Invalid variables:', ...problems].join('\n  '));
  const known = new Set([...configs.values()].flatMap(({ variables }) => [...variables]));
  return {
    options: { postgres: 'own', databaseUrls, ...(nats === undefined ? {} : { nats }), env: given },
    notes: notesOn(env, known),
  };
}

const databaseOf = (service: ServiceName): string => `HZ_${service.toUpperCase()}_DATABASE`;
const isNamed = (prefix: string, servers: readonly string[]): boolean =>
  servers.some((name) => name.startsWith(`${prefix}_`));

function isPassed(name: string, env: Environment): boolean {
  if (name === 'NODE_ENV' || DECIDED.includes(name) || SERVER.test(name)) return false;
  // The start chooses a free port itself and keeps it across starts.
  return !(name === 'HZ_GATEWAY_PORT' && env[name]?.trim() === '0');
}

/** Placeholders for the values that the start sets, used for the check only. */
function startsOwn(service: ServiceName, servers: readonly string[]): Record<string, string> {
  const database = databaseOf(service);
  return {
    HZ_HTTP_PORT: '0',
    ...(isNamed('HZ_NATS', servers) ? {} : { HZ_NATS_URL: 'nats://127.0.0.1:4222' }),
    ...(isNamed(database, servers) ? {} : { [`${database}_URL`]: 'postgresql://127.0.0.1:5432/huizhi' }),
    ...{ HZ_TLS_CERT_FILE: 'own', HZ_TLS_KEY_FILE: 'own', HZ_JWT_SECRET: 'x'.repeat(32) },
  };
}

function notesOn(env: Environment, known: ReadonlySet<string>): string[] {
  const names = Object.keys(env).filter((name) => env[name]?.trim());
  const ignored = names.filter((name) => DECIDED.includes(name));
  const mode = env['NODE_ENV']?.trim();
  return [
    ...(mode && mode !== 'development'
      ? [`NODE_ENV=${mode} has no effect: a local start is always development, with its own certificate and secrets`]
      : []),
    ...(ignored.length > 0 ? [`no effect, because a local start sets them itself: ${ignored.sort().join(', ')}`] : []),
    ...unknownVariables(names, known),
  ];
}
