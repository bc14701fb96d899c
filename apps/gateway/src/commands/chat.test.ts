import { expect, test } from '@jest/globals';
import { pairConversation, type Chat } from '@huizhi/protocol';
import type { Place, Session } from '../sessions/session.js';
import { chatSend } from './chat.js';

const session = (user: string): Pick<Session, 'identity' | 'pairs'> => ({
  identity: { user, device: 'phone', deviceType: 'iOS', version: 2 },
  pairs: new Map<string, Place>(),
});
const chat = (content: Chat['content'], more: Partial<Chat> = {}): Chat => ({
  ...{ messageType: 'normal', chatType: 'userChat', contenType: 'file', toUserID: 'bob', sendTime: '1', content },
  ...more,
});
const send = (content: Chat['content'], more?: Partial<Chat>) =>
  chatSend(session('alice'), chat(content, more), 32).send;

test('a message has the same hash when the keys of its content are ordered differently, with and without a client id', () => {
  const one = { fileName: 'a', fileSize: 1, more: { a: [1, { x: 1, y: 2 }], b: null } };
  const other = { more: { b: null, a: [1, { y: 2, x: 1 }] }, fileSize: 1, fileName: 'a' };
  expect(send(one, { clientMsgID: 'm1' }).hash).toBe(send(other, { clientMsgID: 'm1' }).hash);
  expect(send(one)).toEqual(send(other));
});

test('minus zero equals zero in the hash, in the derived client id and in the stored text', () => {
  const contents = (zero: string): string[] => [`{"n":${zero}}`, `{"more":{"list":[${zero},1]},"n":${zero}}`];
  const sends = (zero: string) =>
    contents(zero).map((json) => chatSend(session('alice'), chat(JSON.parse(json) as Chat['content']), 32));
  for (const zero of ['-0', '-0.0', '-0e5']) expect(sends(zero)).toEqual(sends('0'));
  expect(sends('-0').map(({ body }) => body)).toEqual(contents('0').map((json) => expect.stringContaining(json)));
});

test('a message has another hash when its content, kind, target or mentions differ', () => {
  const hashes = [
    send({ text: 'a' }),
    send({ text: 'b' }),
    send({ text: ['a'] }),
    send({ text: 'a', more: 1 }),
    send({ text: 'a' }, { contenType: 'text' }),
    send({ text: 'a' }, { toUserID: 'carol' }),
    send({ text: 'a' }, { atToUserIDs: ['bob'] }),
  ].map(({ hash }) => hash);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('a session caches a bounded number of pairs, with the right conversations', () => {
  const alice = session('alice');
  for (let n = 0; n < 1_000; n++) {
    for (const toUserID of [`user${n}`, 'bob']) {
      const { lane, send } = chatSend(alice, chat({ text: 'a' }, { toUserID }), 32);
      expect(send.conversation).toBe(pairConversation('alice', toUserID));
      expect(lane).toBe(chatSend(session('alice'), chat({ text: 'a' }, { toUserID }), 32).lane);
    }
  }
  expect(alice.pairs.size).toBeLessThanOrEqual(50);
});
