import type { ConstellationOptions } from '@huizhi/constellation';

/** Variables a developer may set for the services of `hz up`; everything else they get from the constellation. */
const PASSED_ON = ['LOG_LEVEL', 'FAILPOINTS'];
const MESSAGE = ['MESSAGE_LANES'];
const OFFLINE = ['OFFLINE_LANES', 'MESSAGE_LANES'];
const GATEWAY = ['GATEWAY_HOST', 'GATEWAY_PORT', 'TLS', 'AUTH', 'MESSAGE_LANES', 'OFFLINE_LANES'];

/** What the environment says about servers and services: a URL given means that server is not started. */
export function settingsFromEnvironment(env: NodeJS.ProcessEnv = process.env): ConstellationOptions {
  const pick = (names: string[]): Record<string, string> =>
    Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const databaseUrls: NonNullable<ConstellationOptions['databaseUrls']> = {};
  if (env['MESSAGE_DATABASE_URL']) databaseUrls.message = env['MESSAGE_DATABASE_URL'];
  if (env['OFFLINE_DATABASE_URL']) databaseUrls.offline = env['OFFLINE_DATABASE_URL'];
  return {
    postgres: 'own',
    databaseUrls,
    ...(env['NATS_URL'] ? { nats: env['NATS_URL'] } : {}),
    env: {
      all: { NODE_ENV: 'development', ...pick(PASSED_ON) },
      message: pick(MESSAGE),
      offline: pick(OFFLINE),
      gateway: pick(GATEWAY),
    },
  };
}
