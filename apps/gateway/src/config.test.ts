import { expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '@huizhi/runtime';
import { gatewayConfig } from './config.js';

const base = { NATS_URL: 'nats://127.0.0.1:4222', HTTP_PORT: '0', TLS: 'off', JWT_SECRET: 'x'.repeat(32) };
const problems = (env: Record<string, string>): string[] => {
  try {
    readConfig(gatewayConfig, { ...base, ...env });
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems.map(({ variable }) => variable) : [String(error)];
  }
};

test('has a default for everything but the bus, health, and how to check tokens', () => {
  expect(readConfig(gatewayConfig, base)).toMatchObject({
    GATEWAY_PORT: 4433,
    MESSAGE_LANES: 32,
    OFFLINE_LANES: 16,
    HEARTBEAT: 20_000,
    CURSOR_FLUSH: 20,
  });
});

test.each([
  ['TLS without files', { TLS: 'on' }, ['TLS_CERT_FILE', 'TLS_KEY_FILE']],
  ['open authentication in production', { AUTH: 'open', NODE_ENV: 'production' }, ['AUTH']],
  ['no way to check tokens', { JWT_SECRET: '' }, ['JWT_SECRET']],
  ['two ways to check tokens', { JWKS_URL: 'https://example.org/keys' }, ['JWT_SECRET']],
  ['a short secret', { JWT_SECRET: 'short' }, ['JWT_SECRET']],
  ['the PROXY protocol without trusted proxies', { PROXY_PROTOCOL: 'on' }, ['TRUSTED_PROXIES']],
  ['a name as a trusted proxy', { TRUSTED_PROXIES: '10.0.0.1, proxy.example' }, ['TRUSTED_PROXIES']],
  ['a network that is none as a trusted proxy', { TRUSTED_PROXIES: '10.0.0.0/33' }, ['TRUSTED_PROXIES']],
  ['a duration without a unit', { HEARTBEAT: '20' }, ['HEARTBEAT']],
  ['a star for a host', { ALLOWED_ORIGINS: 'https://*.example' }, ['ALLOWED_ORIGINS']],
  ['a star alone', { ALLOWED_ORIGINS: '*' }, ['ALLOWED_ORIGINS']],
  ['an origin with a path', { ALLOWED_ORIGINS: 'http://localhost:*/' }, ['ALLOWED_ORIGINS']],
])('refuses %s', (_, env, variables) => {
  expect(problems(env)).toEqual(variables);
});

test('starts in production with public keys and no secret', () => {
  expect(problems({ NODE_ENV: 'production', JWT_SECRET: '', JWKS_URL: 'https://example.org/keys' })).toEqual([]);
});

test('takes origins with any port', () => {
  expect(problems({ ALLOWED_ORIGINS: 'http://localhost:*,https://[::1]:*,https://chat.example' })).toEqual([]);
});
