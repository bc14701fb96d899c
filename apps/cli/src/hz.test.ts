import { CertificateError, ConnectFailedError, LoginRefusedError } from '@huizhi/client';
import { describe, expect, test } from '@jest/globals';
import { commands } from './commands/table.js';
import { explain } from './explain.js';
import { hz } from './hz.js';

test.each(commands.map((entry) => [entry.name, entry] as const))(
  'the entry of %s in the list of commands matches the command',
  async (_, { name, description, args, load }) => {
    const command = await load();
    const own = command.registeredArguments.map((each) => {
      const text = `${each.name()}${each.variadic ? '...' : ''}`;
      return each.required ? `<${text}>` : `[${text}]`;
    });
    expect([command.name(), command.description(), own.join(' ')]).toEqual([name, description, args]);
  },
);

test('hz loads only the command that is named or whose help is requested', async () => {
  const optionsOf = async (args: string[]): Promise<string[]> =>
    (await hz(args)).commands.filter(({ options }) => options.length > 0).map((command) => command.name());
  expect(await optionsOf(['--help'])).toEqual([]);
  expect(await optionsOf(['token', 'alice'])).toEqual(['token']);
  expect(await optionsOf(['help', 'token'])).toEqual(['token']);
  expect(await optionsOf(['nonsense'])).toEqual([]);
});

describe('explain() names the option that fixes an error of the client when', () => {
  const because = (code: string): Error => Object.assign(new Error('why'), { code });
  test.each<[string, Error, RegExp]>([
    [
      'the port is closed',
      new ConnectFailedError('h:1', because('ECONNREFUSED')),
      /connection refused\n.*--host and --port/,
    ],
    ['the host is unknown', new ConnectFailedError('h:1', because('ENOTFOUND')), /unknown\nSee --host/],
    ['the port speaks no TLS', new ConnectFailedError('h:1', because('EPROTO')), /not speak TLS\n.*--no-tls/],
    ['the authority is unknown', new CertificateError('h:1', because('CERT_UNTRUSTED')), /of h:1 .*\n.*--ca/],
    [
      'the certificate is for another name',
      new CertificateError('h:1', because('ERR_TLS_CERT_ALTNAME_INVALID')),
      /\n.*--host/,
    ],
    [
      'the token has another secret',
      new LoginRefusedError(1101, 'badToken', 'forged'),
      /badToken.*\n.*--token-secret-file/,
    ],
  ])('%s', (_, error, text) => {
    expect(explain(error)).toMatch(text);
  });
});
