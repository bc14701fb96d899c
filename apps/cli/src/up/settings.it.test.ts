import { beforeAll, describe, expect, test } from '@jest/globals';
import { serviceConfigs, type ServiceConfigs } from './service-configs.js';
import { settingsFrom } from './settings.config.js';
import { similarTo } from './similar.js';

// Uses the built services, whose definitions list the variables.
let configs: ServiceConfigs;
beforeAll(async () => {
  configs = await serviceConfigs(['gateway', 'message', 'offline', 'media', 'push']);
}, 60_000);

const DECIDED = [
  ...['NODE_ENV', 'HZ_HTTP_HOST', 'HZ_HTTP_PORT', 'HZ_INSTANCE_ID', 'HZ_TLS_CERT_FILE', 'HZ_TLS_KEY_FILE'],
  ...['HZ_JWT_SECRET', 'HZ_JWT_SECRET_FILE', 'HZ_JWKS_URL', 'HZ_JWT_ISSUER', 'HZ_JWT_AUDIENCE', 'HZ_JWT_USER_CLAIM'],
];

describe('a local start', () => {
  test('passes every variable to its service or notes that it has no effect', () => {
    for (const [service, { variables }] of configs) {
      for (const name of variables) {
        if (/^HZ_(NATS|MESSAGE_DATABASE|OFFLINE_DATABASE)_/.test(name)) continue;
        const value = VALUES[name] ?? '7';
        let settings;
        try {
          settings = settingsFrom({ [name]: value }, configs);
        } catch (error) {
          // An invalid value is refused, which shows that the variable is known and checked.
          expect((error as Error).message).toContain(name);
          continue;
        }
        const passed = settings.options.env?.[service]?.[name] === value;
        const named = settings.notes.some((note) => note.includes(name));
        expect([name, passed, named]).toEqual([name, !DECIDED.includes(name), DECIDED.includes(name)]);
      }
    }
  });
  const VALUES: Record<string, string> = {
    ...{ NODE_ENV: 'production', HZ_LOG_LEVEL: 'debug', HZ_LOG_FORMAT: 'json', HZ_TLS: 'off', HZ_AUTH: 'open' },
    ...{
      HZ_ALLOWED_ORIGINS: 'http://localhost:5173',
      HZ_FAILPOINTS: 'x=error',
      HZ_DRAIN_SPREAD: '3s',
      HZ_LEASE: '2s',
      HZ_MIN_COMMIT_INTERVAL: '4ms',
    },
  };

  test('passes a service only its own variables', () => {
    const { env } = settingsFrom({ HZ_RETENTION_DAYS: '9', HZ_WINDOW: '50', HZ_LEASE: '2s' }, configs).options;
    expect(env).toMatchObject({
      offline: { HZ_RETENTION_DAYS: '9', HZ_LEASE: '2s' },
      message: { HZ_LEASE: '2s' },
      media: {},
    });
    expect(env?.gateway).toMatchObject({ HZ_WINDOW: '50' });
    expect(env?.gateway).not.toHaveProperty('HZ_LEASE');
    expect(env?.message).not.toHaveProperty('HZ_RETENTION_DAYS');
  });

  test('allows pages of localhost on any port unless HZ_ALLOWED_ORIGINS is set', () => {
    const origins = (env: Record<string, string>): string[] | undefined =>
      settingsFrom(env, configs).options.env?.gateway?.['HZ_ALLOWED_ORIGINS']?.split(',');
    expect(origins({})).toEqual([
      ...['http://localhost:*', 'https://localhost:*', 'http://127.0.0.1:*', 'https://127.0.0.1:*'],
      ...['http://[::1]:*', 'https://[::1]:*'],
    ]);
    expect(origins({ HZ_ALLOWED_ORIGINS: 'https://chat.example' })).toEqual(['https://chat.example']);
  });

  test('notes in one line the variables that it sets itself, and that NODE_ENV has no effect', () => {
    const { notes, options } = settingsFrom(
      { NODE_ENV: 'production', HZ_JWKS_URL: 'https://h/k', HZ_HTTP_PORT: '1' },
      configs,
    );
    expect(notes).toEqual([
      'NODE_ENV=production has no effect: a local start is always development, with its own certificate and secrets',
      'no effect, because a local start sets them itself: HZ_HTTP_PORT, HZ_JWKS_URL',
    ]);
    expect(options.env?.all).toEqual({ NODE_ENV: 'development' });
    expect(settingsFrom({ NODE_ENV: 'development' }, configs).notes).toEqual([]);
  });

  test('refuses invalid values and names all of them', () => {
    const start = (): unknown =>
      settingsFrom(
        { HZ_WINDOW: 'many', HZ_RETENTION_DAYS: '0', HZ_AUTH: 'none', HZ_NATS_URL: 'nats://u:p@ss#w@h' },
        configs,
      );
    for (const name of ['HZ_WINDOW', 'HZ_RETENTION_DAYS', 'HZ_AUTH', 'HZ_NATS_URL'])
      expect(start).toThrow(`  ${name}: `);
    expect(start).not.toThrow('p@ss');
  });

  test('uses servers that are given by URL or by parts', () => {
    const { options } = settingsFrom(
      {
        ...{ HZ_NATS_HOST: 'bus', HZ_NATS_USER: 'u', HZ_NATS_PASSWORD: 'p@ss' },
        HZ_MESSAGE_DATABASE_URL: 'postgresql://u:p@h/d',
        ...{ HZ_OFFLINE_DATABASE_HOST: 'db', HZ_OFFLINE_DATABASE_USER: 'o', HZ_OFFLINE_DATABASE_PASSWORD: '#/?' },
      },
      configs,
    );
    expect(options.nats).toBe('nats://u:p%40ss@bus:4222');
    expect(options.databaseUrls).toEqual({
      message: 'postgresql://u:p@h/d',
      offline: 'postgresql://o:%23%2F%3F@db:5432/huizhi',
    });
    expect(() => settingsFrom({ HZ_NATS_HOST: 'bus', HZ_NATS_URL: 'nats://h' }, configs)).toThrow(
      'HZ_NATS_URL: give either',
    );
    expect(settingsFrom({}, configs).options).toMatchObject({ postgres: 'own', databaseUrls: {} });
  });

  test('suggests the known name for a mistyped variable', () => {
    const { notes } = settingsFrom(
      { HZ_ALOWED_ORIGINS: 'x', Hz_Retention_Days: '3', MESSAGE_LANES: '3', HZ_NONSENSE: 'x', HZ_TEST_X: 'x' },
      configs,
    );
    expect(notes).toEqual([
      'HZ_ALOWED_ORIGINS is no variable of a service: did you mean HZ_ALLOWED_ORIGINS?',
      'Hz_Retention_Days is no variable of a service: did you mean HZ_RETENTION_DAYS?',
      'MESSAGE_LANES is no variable of a service: did you mean HZ_MESSAGE_LANES?',
      'HZ_NONSENSE is no variable of a service and has no effect',
    ]);
  });

  test('returns no notes for the variables of an ordinary shell', () => {
    const names = [
      'PATH',
      'HOME',
      'SHELL',
      'WINDOWID',
      'HTTP_PROXY',
      'HTTPS_PROXY',
      'LOGNAME',
      'LANGUAGE',
      'TERM',
      'PAGER',
      'HOST',
      'PORT',
    ];
    const more = [
      'NODE_OPTIONS',
      'NODE_PATH',
      'SSH_AUTH_SOCK',
      'DATABASE_URL',
      'XDG_SESSION_ID',
      'HOSTNAME',
      'COLORTERM',
    ];
    expect(settingsFrom(Object.fromEntries([...names, ...more].map((name) => [name, 'x'])), configs).notes).toEqual([]);
  });
});

test.each([
  ['HZ_WINDOWS', 'HZ_WINDOW'],
  ['HZ_JWT_SERCET', 'HZ_JWT_SECRET'],
  ['PATH', undefined],
  ['HZ_JWT_ISSUER', 'HZ_JWT_ISSUER'],
  ['SOMETHING_ELSE', undefined],
])('similarTo(%s) is %s', (name, expected) => {
  expect(similarTo(name, ['HZ_AUTH', 'HZ_WINDOW', 'HZ_JWT_SECRET', 'HZ_JWT_ISSUER'])).toBe(expected);
});
