import { expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '@huizhi/runtime';
import { gatewayConfig } from './config.js';

const base = { HZ_NATS_URL: 'nats://127.0.0.1:4222', HZ_HTTP_PORT: '0', HZ_TLS: 'off', HZ_JWT_SECRET: 'x'.repeat(32) };
const problems = (env: Record<string, string>): string[] => {
  try {
    readConfig(gatewayConfig, { ...base, ...env });
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems.map(({ variable }) => variable) : [String(error)];
  }
};

test('the configuration needs only the bus, the health port, TLS and the token check', () => {
  expect(readConfig(gatewayConfig, base)).toMatchObject({
    HZ_GATEWAY_PORT: 4433,
    HZ_MESSAGE_LANES: 32,
    HZ_OFFLINE_LANES: 16,
    HZ_HEARTBEAT: 20_000,
    HZ_CURSOR_FLUSH: 20,
  });
});

test.each([
  ['TLS without files', { HZ_TLS: 'on' }, ['HZ_TLS_CERT_FILE', 'HZ_TLS_KEY_FILE']],
  ['open authentication in production', { HZ_AUTH: 'open', NODE_ENV: 'production' }, ['HZ_AUTH']],
  ['no way to check tokens', { HZ_JWT_SECRET: '' }, ['HZ_JWT_SECRET']],
  ['two ways to check tokens', { HZ_JWKS_URL: 'https://example.org/keys' }, ['HZ_JWT_SECRET']],
  ['a short secret', { HZ_JWT_SECRET: 'short' }, ['HZ_JWT_SECRET']],
  ['the PROXY protocol without trusted proxies', { HZ_PROXY_PROTOCOL: 'on' }, ['HZ_TRUSTED_PROXIES']],
  ['a name as a trusted proxy', { HZ_TRUSTED_PROXIES: '10.0.0.1, proxy.example' }, ['HZ_TRUSTED_PROXIES']],
  ['an invalid network as a trusted proxy', { HZ_TRUSTED_PROXIES: '10.0.0.0/33' }, ['HZ_TRUSTED_PROXIES']],
  ['a duration without a unit', { HZ_HEARTBEAT: '20' }, ['HZ_HEARTBEAT']],
  ['a wildcard host', { HZ_ALLOWED_ORIGINS: 'https://*.example' }, ['HZ_ALLOWED_ORIGINS']],
  ['a wildcard origin', { HZ_ALLOWED_ORIGINS: '*' }, ['HZ_ALLOWED_ORIGINS']],
  ['an origin with a path', { HZ_ALLOWED_ORIGINS: 'http://localhost:*/' }, ['HZ_ALLOWED_ORIGINS']],
])('the configuration refuses %s', (_, env, variables) => {
  expect(problems(env)).toEqual(variables);
});

test('the configuration is valid in production with public keys and no secret', () => {
  expect(problems({ NODE_ENV: 'production', HZ_JWT_SECRET: '', HZ_JWKS_URL: 'https://example.org/keys' })).toEqual([]);
});

test('the configuration accepts origins with any port', () => {
  expect(problems({ HZ_ALLOWED_ORIGINS: 'http://localhost:*,https://[::1]:*,https://chat.example' })).toEqual([]);
});
