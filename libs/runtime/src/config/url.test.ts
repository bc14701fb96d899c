import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, defineConfig, pickVariables, readConfig } from './config.js';
import { configTable } from './describe.js';
import type { Environment } from './environment.js';
import { serverVariables, urlSetting } from './url.js';

const definition = defineConfig({
  ...serverVariables({
    prefix: 'DB',
    schemes: ['postgresql', 'postgres'],
    port: 5432,
    database: true,
    doc: 'A database',
  }),
  ...serverVariables({ prefix: 'HZ_NATS', schemes: ['nats', 'tls'], port: 4222, many: true, doc: 'A bus' }),
  KEYS_URL: { schema: urlSetting(['https', 'http']), default: '', doc: 'Keys.' },
});
const good = { DB_URL: 'postgresql://u:p@h:5432/d', HZ_NATS_URL: 'nats://u:p@h:4222,nats://h2:4222' };

function problems(env: Environment): string[] {
  try {
    readConfig(definition, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ variable, problem }) => `${variable} ${problem}`);
    throw error;
  }
}

/** A password as a password manager generates it; each part of it would reveal the secret. */
const SECRET = 'p@ss#w/o:rd %41?';

describe('a URL setting', () => {
  test.each(['@', '#', '/', '?', '%', '%4', '% ', ' ', '%zz', '%ff'])(
    'names the variable, hides the password and says to percent-encode when the password has a raw "%s"',
    (character) => {
      for (const password of [
        `hunter${character}xtwo`,
        `${character}hunterxtwo`,
        `731${character}xx942`,
        `hunterxtwo${character}`,
      ]) {
        for (const [name, url] of [
          ['DB_URL', `postgresql://user:${password}@host:5432/db`],
          ['DB_URL', `postgresql://user:${password}@host/db?sslmode=require`],
          ['HZ_NATS_URL', `nats://user:${password}@host:4222`],
          ['HZ_NATS_URL', `nats://good:one@host:4222,nats://user:${password}@host:4222`],
        ] as const) {
          const [problem, ...more] = problems({ ...good, [name]: url });
          expect([problem?.split(' ')[0], more, url]).toEqual([name, [], url]);
          expect(problem).toContain('percent-encode');
          expect(problem).not.toMatch(/hunter|xtwo|731|942/);
        }
      }
    },
  );

  test.each([
    ['postgresql://user:p%40ss%23w%2Fo%3Ard%20%2541%3F@host:5432/db'],
    // A colon is allowed in a password.
    ['postgresql://user:p:w@host/db'],
    ['postgres://user@[::1]:5432/db?sslmode=verify-full'],
    ['postgresql://user:p!$&()*+,;=~_.-w@host'],
  ])('accepts %s unchanged', (url) => {
    expect(readConfig(definition, { ...good, DB_URL: url }).DB_URL).toBe(url);
  });

  test.each([
    ['no scheme', 'DB_URL', 'localhost:5432/db', 'must begin with postgresql:// or postgres://'],
    ['another scheme', 'DB_URL', 'mysql://u:p@h/d', 'must begin with postgresql:// or postgres://'],
    ['no host', 'DB_URL', 'postgresql:///db', 'must name a host'],
    ['a user but no host', 'DB_URL', 'postgresql://u:p@/db', 'must name a host'],
    ['a port but no host', 'HZ_NATS_URL', 'nats://:4222', 'must name a host'],
    ['an empty one among several', 'HZ_NATS_URL', 'nats://a:1,', 'must begin with nats:// or tls://'],
    ['a port that is too high', 'DB_URL', 'postgresql://u:p@h:70000/d', 'port from 1 to 65535'],
    ['port 0', 'HZ_NATS_URL', 'nats://h:0', 'port from 1 to 65535'],
    ['a port that is no number', 'HZ_NATS_URL', 'nats://h:port', "number after the host's colon"],
    ['keys with a password', 'KEYS_URL', 'https://u:huntertwo@h/keys', 'must not hold a user or password'],
    ['keys by another scheme', 'KEYS_URL', 'ftp://h/keys', 'must begin with https:// or http://'],
  ])('refuses %s', (_, name, url, sentence) => {
    const found = problems({ ...good, [name]: url });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`${name} `);
    expect(found[0]).toContain(sentence);
    expect(found[0]).not.toContain('huntertwo');
  });

  test('accepts a key URL with an @ in its path', () => {
    expect(problems({ ...good, KEYS_URL: 'https://h/realms/a@b/certs?x=%' })).toEqual([]);
  });
});

describe('a server given by parts', () => {
  const parts = { DB_HOST: 'db.example', DB_USER: 'u@s', DB_PASSWORD: SECRET };

  test('accepts every character of user and password unchanged', () => {
    const { DB_URL, HZ_NATS_URL } = readConfig(definition, {
      ...parts,
      ...{ DB_PORT: '6432', DB_NAME: 'a b', DB_SSLMODE: 'verify-full' },
      ...{ HZ_NATS_HOST: '::1', HZ_NATS_USER: 'gateway', HZ_NATS_PASSWORD: SECRET },
    });
    const [db, nats] = [new URL(DB_URL), new URL(HZ_NATS_URL)];
    expect([db.hostname, db.port, db.pathname, db.search]).toEqual([
      'db.example',
      '6432',
      '/a%20b',
      '?sslmode=verify-full',
    ]);
    expect(decodeURIComponent(db.username)).toBe('u@s');
    expect(decodeURIComponent(db.password)).toBe(SECRET);
    expect([nats.hostname, nats.port, decodeURIComponent(nats.password)]).toEqual(['[::1]', '4222', SECRET]);
  });

  test('has default port and database when they are unset, and needs no user', () => {
    const { DB_URL, HZ_NATS_URL } = readConfig(definition, { DB_HOST: 'h', DB_USER: 'u', HZ_NATS_HOST: 'n' });
    expect([DB_URL, HZ_NATS_URL]).toEqual(['postgresql://u@h:5432/huizhi', 'nats://n:4222']);
  });

  test.each([
    [
      'URL and parts',
      { ...good, DB_PASSWORD: SECRET, DB_PORT: '1' },
      ['DB_URL give either DB_URL or its parts, not both: DB_PORT, DB_PASSWORD must be unset'],
    ],
    [
      'a password without a host',
      { ...good, DB_URL: '', DB_PASSWORD: SECRET },
      ['DB_HOST is required with DB_PASSWORD, unless DB_URL is set'],
    ],
    ['neither', { HZ_NATS_URL: good.HZ_NATS_URL }, [expect.stringMatching(/^DB_URL is required\. .*`DB_HOST`/)]],
    [
      'a host with a port',
      { ...good, DB_URL: '', DB_HOST: 'h/x' },
      [expect.stringContaining('DB_HOST must be a host name or address')],
    ],
    [
      'a wrong port',
      { ...good, DB_URL: '', DB_HOST: 'h', DB_PORT: '0' },
      [expect.stringContaining('DB_PORT must be an integer')],
    ],
  ])('refuses %s', (_, env, expected) => {
    expect(problems(env)).toEqual(expected);
  });

  test('is in the table of variables', () => {
    const table = configTable(definition);
    expect(table).toContain('| `DB_URL` | **required**, or its parts |');
    expect(table).toContain('| `DB_PASSWORD` | empty |');
    expect(table).toContain('`DB_PASSWORD_FILE`');
  });
});

describe('a secret in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'huizhi-secret-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test('is read without the line end', () => {
    const { DB_URL } = readConfig(definition, {
      ...{ DB_HOST: 'h', DB_USER: 'u', DB_PASSWORD_FILE: file('password', ` ${SECRET}\n`) },
      HZ_NATS_URL_FILE: file('url', `${good.HZ_NATS_URL}\r\n`),
    });
    expect(decodeURIComponent(new URL(DB_URL).password)).toBe(` ${SECRET}`);
  });

  test.each([
    [
      'a file that is not there',
      { DB_URL_FILE: '/no/such/file' },
      'DB_URL_FILE names the file /no/such/file, which cannot be read (ENOENT)',
    ],
    [
      'an empty file',
      { DB_URL_FILE: file('empty', '\n') },
      expect.stringMatching(/^DB_URL_FILE names the file .*empty, which is empty/),
    ],
    [
      'a file and the value',
      { DB_URL: good.DB_URL, DB_URL_FILE: file('other', 'x') },
      'DB_URL_FILE give either DB_URL or DB_URL_FILE, not both',
    ],
  ])('is refused when there is %s', (_, env, expected) => {
    expect(problems({ HZ_NATS_URL: good.HZ_NATS_URL, ...env })).toContainEqual(expected);
  });
});

test('picked variables include the parts of a URL', () => {
  const picked = pickVariables(definition, ['DB_URL']);
  expect(readConfig(picked, { DB_HOST: 'h' })).toMatchObject({ DB_URL: 'postgresql://h:5432/huizhi' });
  expect(Object.keys(picked.variables)).not.toContain('HZ_NATS_URL');
});
