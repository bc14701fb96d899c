import { describe, expect, test } from '@jest/globals';
import { commonVariables } from './common.js';
import { ConfigError, defineConfig, readConfig, type ConfigOf } from './config.js';
import { configTable, explainConfig, redactedConfig } from './describe.js';
import { booleanSetting, durationSetting, integerSetting, textSetting } from './settings.js';

const definition = defineConfig(
  {
    ...commonVariables('message'),
    LANES: { schema: integerSetting(1, 1_024), default: 32, doc: 'How many lanes.' },
    HZ_TLS: { schema: booleanSetting(), default: true, doc: 'Whether TLS | plaintext.' },
    GRACE: { schema: durationSetting(0, 60_000), default: 2_000, doc: 'How long to wait.' },
    ADMIN_KEY: { schema: textSetting(), doc: 'The key.', secret: true },
  },
  (config) => (config.LANES % 2 ? [{ variable: 'LANES', problem: 'must be even' }] : []),
);
const good = { HZ_NATS_URL: 'nats://u:p@h:4222,nats://h2:4222', HZ_HTTP_PORT: '8080', ADMIN_KEY: 'k' };

function problems(env: Record<string, string>): string[] {
  try {
    readConfig(definition, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((p) => `${p.variable} ${p.problem}`);
    throw error;
  }
  return [];
}

describe('readConfig', () => {
  test('returns typed, frozen values and defaults', () => {
    const config: ConfigOf<typeof definition> = readConfig(definition, { ...good, HZ_TLS: 'false', GRACE: '3s' });
    expect(config).toMatchObject({
      HZ_HTTP_PORT: 8080,
      LANES: 32,
      HZ_TLS: false,
      GRACE: 3_000,
      NODE_ENV: 'development',
    });
    expect(config.HZ_INSTANCE_ID).toMatch(/^message-[0-9a-f]{8}$/);
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('returns another instance id at each reading', () => {
    expect(readConfig(definition, good).HZ_INSTANCE_ID).not.toBe(readConfig(definition, good).HZ_INSTANCE_ID);
  });

  test('reports every wrong variable at once', () => {
    const found = problems({ HZ_HTTP_PORT: '70000', HZ_TLS: 'yes', GRACE: '10', HZ_LOG_LEVEL: 'loud', ADMIN_KEY: '' });
    expect(found.map((line) => line.split(' ')[0])).toEqual([
      'HZ_LOG_LEVEL',
      'HZ_NATS_URL',
      'HZ_HTTP_PORT',
      'HZ_TLS',
      'GRACE',
      'ADMIN_KEY',
    ]);
    expect(found.join('\n')).toContain('TLS must be true or false: "yes" is not');
  });

  test.each(['1', 'TRUE', 'yes', 'on', 'truе'])('%s is not a boolean', (text) => {
    expect(problems({ ...good, HZ_TLS: text })).toHaveLength(1);
  });

  test.each(['1.5', '1e3', '0x10', '', ' ', 'NaN', '12abc', '99999999999999999999'])('%j is not a port', (text) => {
    expect(problems({ ...good, HZ_HTTP_PORT: text })).toHaveLength(1);
  });

  test.each(['10', '1.5s', '-1s', '2 weeks', '61s'])('%s is not a duration in the bounds', (text) => {
    expect(problems({ ...good, GRACE: text })).toHaveLength(1);
  });

  test.each(['localhost:4222', 'http://h:1', 'nats://', 'nats://a:1,'])('%s is not a URL of the bus', (text) => {
    expect(problems({ ...good, HZ_NATS_URL: text })).toHaveLength(1);
  });

  test('runs the check across variables when each variable is valid by itself', () => {
    expect(problems({ ...good, LANES: '33' })).toEqual(['LANES must be even']);
  });

  test('does not show a wrong secret', () => {
    expect(problems({ ...good, HZ_NATS_URL: 'http://user:hunter2@h' }).join()).not.toContain('hunter2');
  });

  test('refuses the default of a secret in production', () => {
    const withDefault = defineConfig({ KEY: { schema: textSetting(), default: 'dev', doc: 'A key.', secret: true } });
    expect(readConfig(withDefault, {}).KEY).toBe('dev');
    expect(() => readConfig(withDefault, { NODE_ENV: 'production' })).toThrow('no default in production');
  });
});

test('a redacted configuration shows no secret', () => {
  const dump = JSON.stringify(redactedConfig(definition, readConfig(definition, { ...good, ADMIN_KEY: 'hunter2' })));
  expect(dump).toContain('"HZ_HTTP_PORT":8080');
  expect(dump).not.toMatch(/hunter2|u:p/);
});

test('the documentation table has one row per variable', () => {
  const table = configTable(definition);
  expect(table).toContain('| `LANES` | `32` | How many lanes. |');
  expect(table).toContain('| `HZ_TLS` | `true` | Whether TLS \\| plaintext. |');
  expect(table).toContain(
    '| `ADMIN_KEY` | **required** | The key. Secret; `ADMIN_KEY_FILE` may name a file that holds it. |',
  );
  expect(table).toContain('`message-` and 8 random hex digits');
});

test('explainConfig names the source of each value and shows no secret', () => {
  const env = {
    HZ_NATS_URL: 'nats://u:hunt/er@2@h:4222',
    HZ_HTTP_PORT: ' 80 ',
    ADMIN_KEY_FILE: '/run/key',
    LANES: 'x',
  };
  const rows = new Map(explainConfig(definition, env).map(({ name, source, value }) => [name, [source, value]]));
  expect(rows.get('HZ_NATS_URL')).toEqual(['set', 'nats://[secret]@h:4222']);
  expect(rows.get('HZ_HTTP_PORT')).toEqual(['set', '80']);
  expect(rows.get('ADMIN_KEY')).toEqual(['file', '[secret]']);
  expect(rows.get('LANES')).toEqual(['set', 'x']);
  expect(rows.get('HZ_LOG_LEVEL')).toEqual(['default', 'info']);
  expect(explainConfig(definition, {}).find(({ name }) => name === 'ADMIN_KEY')?.source).toBe('missing');
  expect(JSON.stringify([...rows.values()])).not.toContain('hunt');
});
