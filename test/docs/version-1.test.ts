import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { downSchemas, KINDS_OF_VERSION_1, ProtocolError, readUp, upSchemas } from '@huizhi/protocol';
import { describe, expect, test } from '@jest/globals';

/** The table "The words of version 1" in docs/clients/ios.md must match the behaviour of the server. */

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

/** The outcome of a client frame in the terms of the table: `taken`, `refused` or the name of the error. */
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

test('the table has rows of every kind', () => {
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
  test('version 1 receives exactly the kinds in the table unchanged', () => {
    expect(list(of('contenType').filter(({ fromServer }) => fromServer === 'sent')).sort()).toEqual(
      [...KINDS_OF_VERSION_1].sort(),
    );
  });

  test.each(of('contenType').filter(({ fromClient }) => fromClient !== '—'))(
    'a message of the kind $word is $fromClient from the client',
    ({ word, fromClient }) => expect(outcomeOf({ ...MESSAGE, contenType: word })).toBe(fromClient),
  );
});

test('the server accepts the chatType, deviceType and versionCode values of the table', () => {
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

test('the fields of content equal those in docs/protocol.md', () => {
  const [fields] = of('field of content');
  expect(textOf('docs/protocol.md')).toContain(`\`${fields?.word ?? ''}\``);
});

test('the golden vectors of the published client use only words of the table', () => {
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
