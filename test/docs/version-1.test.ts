import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { downSchemas, KINDS_OF_VERSION_1, ProtocolError, readUp, upSchemas } from '@huizhi/protocol';
import { describe, expect, test } from '@jest/globals';

/** The table "The words of version 1" in docs/clients/ios.md says what the server's code does with each word. */

const textOf = (path: string): string => readFileSync(join(projectRoot(), path), 'utf8');

interface Word {
  what: string;
  word: string;
  fromClient: string;
  fromServer: string;
}

const section = /### The words of version 1\n([^]*?)\n##/.exec(textOf('docs/clients/ios.md'))?.[1] ?? '';
const words = [...section.matchAll(/^\| (.+) \|$/gm)]
  .map(([, row]) => (row ?? '').split('|').map((cell) => cell.trim().replaceAll('`', '')))
  .map(([what = '', word = '', , fromClient = '', fromServer = '']): Word => ({ what, word, fromClient, fromServer }))
  .slice(2);
const of = (what: string): Word[] => words.filter((row) => row.what === what);
const list = (rows: readonly Word[]): string[] => rows.map(({ word }) => word);

type Raw = Record<string, unknown>;
const vectors = (JSON.parse(textOf('libs/protocol/fixtures/guide-client.json')) as { rows: { raw: Raw }[] }).rows;

const MESSAGE = {
  messageType: 'normal',
  chatType: 'userChat',
  contenType: 'text',
  toUserID: 'bob',
  sendTime: '1',
  content: { text: 'x' },
};

/** What the table calls taken or refused. */
function outcomeOf(raw: Raw): string {
  try {
    readUp(raw, true);
    return 'taken';
  } catch (error) {
    if (error instanceof ProtocolError && error.error === 'unsupported') return 'refused';
    if (error instanceof ProtocolError) return error.error;
    throw error;
  }
}

test('the table has a row for each kind of word', () => {
  expect([...new Set(words.map(({ what }) => what))]).toEqual([
    ...['messageType', 'contenType', 'chatType', 'deviceType', 'versionCode', 'beatID', 'field', 'field of content'],
  ]);
});

test.each(of('messageType'))('messageType $word is $fromClient from the client, $fromServer from the server', (row) => {
  const login = { fromUserID: 'alice', versionCode: '1' };
  const raw = row.word === 'login' ? login : MESSAGE;
  expect(outcomeOf({ ...raw, messageType: row.word })).toBe(row.fromClient);
  expect(row.word in downSchemas ? 'sent' : '—').toBe(row.fromServer);
});

describe('contenType', () => {
  test('the kinds that pass to version 1 unchanged are those of the table', () => {
    expect(list(of('contenType').filter(({ fromServer }) => fromServer === 'sent')).sort()).toEqual(
      [...KINDS_OF_VERSION_1].sort(),
    );
  });

  test.each(of('contenType').filter(({ fromClient }) => fromClient !== '—'))(
    'a message of the kind $word is $fromClient from the client',
    ({ word, fromClient }) => expect(outcomeOf({ ...MESSAGE, contenType: word })).toBe(fromClient),
  );
});

test('the values of chatType, deviceType and versionCode are accepted', () => {
  expect(list(of('chatType'))).toEqual(upSchemas.normal.properties.chatType.anyOf.map((value) => value.const));
  const [[deviceType], [versionCode]] = [list(of('deviceType')), list(of('versionCode'))];
  expect(readUp({ fromUserID: '10001', deviceType, versionCode }, true).frame).toMatchObject({
    deviceType: 'iOS',
    versionCode: 1,
  });
});

test.each(of('field'))('the field $word is $fromClient from the client, $fromServer from the server', (row) => {
  const { login, normal, beat } = upSchemas;
  const up = [login, normal, beat].some(({ properties }) => row.word in properties);
  expect(up ? 'taken' : 'dropped').toBe(row.fromClient);
  const down = Object.values(downSchemas).some(({ properties }) => row.word in properties);
  expect(down ? 'sent' : '—').toBe(row.fromServer);
});

test('the fields of content are those that docs/protocol.md lists', () => {
  const [fields] = of('field of content');
  expect(textOf('docs/protocol.md')).toContain(`the guide's names are \`${fields?.word ?? ''}\``);
});

test('the golden vectors of the published client use the words of the table only', () => {
  for (const { raw } of vectors) {
    for (const field of Object.keys(raw)) expect(list(of('field'))).toContain(field);
    for (const what of ['messageType', 'contenType', 'chatType', 'deviceType', 'beatID']) {
      if (raw[what] !== undefined) expect(list(of(what))).toContain(raw[what]);
    }
    for (const field of Object.keys(raw.content ?? {})) {
      expect(list(of('field of content')).join()).toContain(field);
    }
  }
});
