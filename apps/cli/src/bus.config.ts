import { serverUrlOf } from '@huizhi/protocol';

/** The bus as the environment of a service's container names it: by HZ_NATS_URL, or by its parts. @throws when both are there */
export function busFromEnvironment(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const { HZ_NATS_URL, HZ_NATS_HOST, HZ_NATS_PORT, HZ_NATS_USER = '', HZ_NATS_PASSWORD = '' } = env;
  if (!HZ_NATS_HOST) return HZ_NATS_URL || undefined;
  if (HZ_NATS_URL) throw new Error('give either HZ_NATS_URL or its parts, not both: HZ_NATS_HOST must be unset');
  return serverUrlOf({
    scheme: 'nats',
    host: HZ_NATS_HOST.trim(),
    port: HZ_NATS_PORT?.trim() || '4222',
    user: HZ_NATS_USER.trim(),
    password: HZ_NATS_PASSWORD,
  });
}
