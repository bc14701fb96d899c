import { beforeAll, describe, expect, test } from '@jest/globals';
import { serviceConfigs, type ServiceConfigs } from './service-configs.js';
import { settingsFrom } from './settings.config.js';
import { similarTo } from './similar.js';

// Against the services as they are built: their definitions list the variables.
let configs: ServiceConfigs;
beforeAll(async () => {
  configs = await serviceConfigs(['gateway', 'message', 'offline', 'media', 'push']);
}, 60_000);

const DECIDED = [
  ...['NODE_ENV', 'HTTP_HOST', 'HTTP_PORT', 'INSTANCE_ID', 'TLS_CERT_FILE', 'TLS_KEY_FILE'],
  ...['JWT_SECRET', 'JWT_SECRET_FILE', 'JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE', 'JWT_USER_CLAIM'],
];

describe('a local start', () => {
  test('passes every variable of a service on, or says that it has no effect', () => {
    for (const [service, { variables }] of configs) {
      for (const name of variables) {
        if (/^(NATS|MESSAGE_DATABASE|OFFLINE_DATABASE)_/.test(name)) continue;
        const value = VALUES[name] ?? '7';
        let settings;
        try {
          settings = settingsFrom({ [name]: value }, configs);
        } catch (error) {
          // A value of the wrong kind is refused, which shows that the variable is known and looked at.
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
    ...{ NODE_ENV: 'production', LOG_LEVEL: 'debug', LOG_FORMAT: 'json', TLS: 'off', AUTH: 'open' },
    ...{
      ALLOWED_ORIGINS: 'http://localhost:5173',
      FAILPOINTS: 'x=error',
      DRAIN_SPREAD: '3s',
      LEASE: '2s',
      PACE: '4ms',
    },
  };

  test('gives a service only what is its own', () => {
    const { env } = settingsFrom({ RETENTION_DAYS: '9', WINDOW: '50', LEASE: '2s' }, configs).options;
    expect(env).toMatchObject({ offline: { RETENTION_DAYS: '9', LEASE: '2s' }, message: { LEASE: '2s' }, media: {} });
    expect(env?.gateway).toMatchObject({ WINDOW: '50' });
    expect(env?.gateway).not.toHaveProperty('LEASE');
    expect(env?.message).not.toHaveProperty('RETENTION_DAYS');
  });

  test('allows pages of localhost on any port unless it is told otherwise', () => {
    const origins = (env: Record<string, string>): string[] | undefined =>
      settingsFrom(env, configs).options.env?.gateway?.['ALLOWED_ORIGINS']?.split(',');
    expect(origins({})).toEqual([
      ...['http://localhost:*', 'https://localhost:*', 'http://127.0.0.1:*', 'https://127.0.0.1:*'],
      ...['http://[::1]:*', 'https://[::1]:*'],
    ]);
    expect(origins({ ALLOWED_ORIGINS: 'https://chat.example' })).toEqual(['https://chat.example']);
  });

  test('names in one line what it decides itself, and that it runs in development mode', () => {
    const { notes, options } = settingsFrom(
      { NODE_ENV: 'production', JWKS_URL: 'https://h/k', HTTP_PORT: '1' },
      configs,
    );
    expect(notes).toEqual([
      'NODE_ENV=production has no effect: a local start is always development, with a certificate and secrets of its own',
      'without effect, since a local start decides them itself: HTTP_PORT, JWKS_URL',
    ]);
    expect(options.env?.all).toEqual({ NODE_ENV: 'development' });
    expect(settingsFrom({ NODE_ENV: 'development' }, configs).notes).toEqual([]);
  });

  test('refuses wrong values at once, all of them, by name', () => {
    const start = (): unknown =>
      settingsFrom({ WINDOW: 'many', RETENTION_DAYS: '0', AUTH: 'none', NATS_URL: 'nats://u:p@ss#w@h' }, configs);
    for (const name of ['WINDOW', 'RETENTION_DAYS', 'AUTH', 'NATS_URL']) expect(start).toThrow(`  ${name}: `);
    expect(start).not.toThrow('p@ss');
  });

  test('uses servers that are named, by URL or by parts', () => {
    const { options } = settingsFrom(
      {
        ...{ NATS_HOST: 'bus', NATS_USER: 'u', NATS_PASSWORD: 'p@ss' },
        MESSAGE_DATABASE_URL: 'postgresql://u:p@h/d',
        ...{ OFFLINE_DATABASE_HOST: 'db', OFFLINE_DATABASE_USER: 'o', OFFLINE_DATABASE_PASSWORD: '#/?' },
      },
      configs,
    );
    expect(options.nats).toBe('nats://u:p%40ss@bus:4222');
    expect(options.databaseUrls).toEqual({
      message: 'postgresql://u:p@h/d',
      offline: 'postgresql://o:%23%2F%3F@db:5432/huizhi',
    });
    expect(() => settingsFrom({ NATS_HOST: 'bus', NATS_URL: 'nats://h' }, configs)).toThrow('NATS_URL: give either');
    expect(settingsFrom({}, configs).options).toMatchObject({ postgres: 'own', databaseUrls: {} });
  });

  test('hints at variables that are nearly the name of one', () => {
    const { notes } = settingsFrom({ ALOWED_ORIGINS: 'x', Retention_Days: '3', MESSAGE_LANE: '3' }, configs);
    expect(notes).toEqual([
      'ALOWED_ORIGINS is no variable of a service: is ALLOWED_ORIGINS meant?',
      'Retention_Days is no variable of a service: is RETENTION_DAYS meant?',
      'MESSAGE_LANE is no variable of a service: is MESSAGE_LANES meant?',
    ]);
  });

  test('has nothing to say of an ordinary shell', () => {
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
  ['WINDOWS', 'WINDOW'],
  ['JWT_SERCET', 'JWT_SECRET'],
  ['PATH', undefined],
  ['JWT_ISSUER', 'JWT_ISSUER'],
  ['SOMETHING_ELSE', undefined],
])('similarTo(%s) is %s', (name, expected) => {
  expect(similarTo(name, ['AUTH', 'WINDOW', 'JWT_SECRET', 'JWT_ISSUER'])).toBe(expected);
});
