import { randomBytes } from 'node:crypto';
import type { Variable, Variables } from './variable.js';
import { choiceSetting, durationSetting, integerSetting, textSetting } from './settings.js';
import { serverVariables } from './url.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * The variables that every service reads. `HZ_HTTP_PORT` serves health, metrics and, outside production, failpoints.
 */
export interface CommonConfig {
  NODE_ENV: 'production' | 'development' | 'test';
  HZ_LOG_LEVEL: LogLevel;
  HZ_LOG_FORMAT: 'json';
  HZ_NATS_URL: string;
  HZ_NATS_CREDS_FILE: string;
  HZ_NATS_NKEY_FILE: string;
  HZ_HTTP_HOST: string;
  HZ_HTTP_PORT: number;
  HZ_INSTANCE_ID: string;
  HZ_FAILPOINTS: string;
}

/** Spread it first in a service's own `defineConfig({ ...commonVariables('message'), … })`. */
export function commonVariables(service: string): Variables<CommonConfig> {
  return {
    NODE_ENV: {
      schema: choiceSetting(['production', 'development', 'test']),
      default: 'development',
      doc: '`production` refuses failpoints, open authentication and default secrets.',
    },
    HZ_LOG_LEVEL: { schema: choiceSetting(LOG_LEVELS), default: 'info', doc: 'The lowest level that is logged.' },
    HZ_LOG_FORMAT: {
      schema: choiceSetting(['json']),
      default: 'json',
      doc: 'One JSON object per line on standard output.',
    },
    ...serverVariables({
      prefix: 'HZ_NATS',
      schemes: ['nats', 'tls'],
      many: true,
      port: 4222,
      doc: 'URL of the bus (NATS)',
    }),
    HZ_NATS_CREDS_FILE: {
      schema: textSetting(1_000),
      default: '',
      doc: 'A credentials file of NATS (JWT and seed), in place of credentials in `HZ_NATS_URL`. Read again at each connection.',
    },
    HZ_NATS_NKEY_FILE: {
      schema: textSetting(1_000),
      default: '',
      doc: 'A file with the seed of an NKey user (`SU…`), in place of credentials in `HZ_NATS_URL`. Read again at each connection.',
    },
    HZ_HTTP_HOST: {
      schema: textSetting(255, /^[^\s/]+$/, 'a host name or address'),
      default: '127.0.0.1',
      doc: 'The address of the health and metrics server.',
    },
    HZ_HTTP_PORT: {
      schema: integerSetting(0, 65_535),
      doc: 'The port of the health and metrics server; 0 takes a free one.',
    },
    HZ_INSTANCE_ID: {
      schema: textSetting(64, /^[A-Za-z0-9_-]+$/, 'letters, digits, - and _'),
      default: () => `${service}-${randomBytes(4).toString('hex')}`,
      defaultDoc: `\`${service}-\` and 8 random hex digits`,
      doc: 'Names this process on the bus and as the owner of lanes. Two live processes must never share it.',
    },
    HZ_FAILPOINTS: {
      schema: textSetting(4_000),
      default: '',
      doc: 'Failures to inject, `name=action@N,…`; only outside production.',
    },
  };
}

/**
 * Read by the gateway, which accepts tokens, and by the offline service, which revokes them. A revocation must also
 * reach each token that a gateway accepts although it was issued in the future.
 */
export const tokenLeeway: Variable<number> = {
  schema: durationSetting(0, 600_000),
  default: 30_000,
  defaultDoc: '`30s`',
  doc:
    "How far the clock of a token's issuer may be ahead. A session is closed this long after `exp`; new tokens are valid this long after a " +
    'revocation. The same for gateways and the offline service.',
};
