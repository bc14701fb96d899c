import { serverUrlOf } from '@huizhi/protocol';

/**
 * URL of the bus from the environment of a service's container: HZ_NATS_URL, or its parts. @throws when both are set
 */
export function busFromEnvironment(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const { HZ_NATS_URL, HZ_NATS_HOST, HZ_NATS_PORT, HZ_NATS_USER = '', HZ_NATS_PASSWORD = '' } = env;
  if (!HZ_NATS_HOST) return HZ_NATS_URL || undefined;
  if (HZ_NATS_URL) throw new Error('HZ_NATS_URL and HZ_NATS_HOST are both set: unset one of them');
  return serverUrlOf({
    scheme: 'nats',
    host: HZ_NATS_HOST.trim(),
    port: HZ_NATS_PORT?.trim() || '4222',
    user: HZ_NATS_USER.trim(),
    password: HZ_NATS_PASSWORD,
  });
}
