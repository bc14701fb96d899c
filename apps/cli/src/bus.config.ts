import { serverUrlOf } from '@huizhi/protocol';

/** The bus as the environment of a service's container names it: by NATS_URL, or by its parts. @throws when both are there */
export function busFromEnvironment(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const { NATS_URL, NATS_HOST, NATS_PORT, NATS_USER = '', NATS_PASSWORD = '' } = env;
  if (!NATS_HOST) return NATS_URL || undefined;
  if (NATS_URL) throw new Error('give either NATS_URL or its parts, not both: NATS_HOST must be unset');
  return serverUrlOf({
    scheme: 'nats',
    host: NATS_HOST.trim(),
    port: NATS_PORT?.trim() || '4222',
    user: NATS_USER.trim(),
    password: NATS_PASSWORD,
  });
}
