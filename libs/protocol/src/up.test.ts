import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from './errors.js';
import { readUp, upSchemas } from './up.js';
import { targetOf } from './up/target.js';

const chat = {
  messageType: 'normal',
  chatType: 'userChat',
  contenType: 'text',
  toUserID: 'bob',
  content: { text: 'hi' },
};

// `fixtures/frames-up.json` has the valid and invalid frames; these tests cover what a table cannot express.

test('readUp ignores inherited fields of a frame', () => {
  const inherits = Object.assign(
    Object.create({ toUserID: 'mallory', sendTime: '1' }) as Record<string, unknown>,
    chat,
  );
  expect(readUp(inherits, false).frame).toEqual(chat);
  const { toUserID: _, ...without } = chat;
  expect(() => readUp(Object.assign(Object.create({ toUserID: 'mallory' }) as object, without), false)).toThrow(
    /^toUserID/,
  );
});

test('readUp names the field in a refusal and never its value', () => {
  const secret = 'SECRET SECRET';
  const base: Record<string, unknown>[] = [
    { ...chat },
    { messageType: 'login', fromUserID: 'alice', versionCode: 2, token: 'x' },
    { messageType: 'createGroup', clientMsgID: 'c', memberUserIDs: ['bob'] },
    { messageType: 'receipt', messageID: '1024' },
    { messageType: 'history', requestID: 'r', chatType: 'userChat', toUserID: 'bob' },
  ];
  for (const frame of base) {
    for (const field of Object.keys(frame)) {
      for (const value of [secret, [secret], { [secret]: secret }, secret.repeat(500)]) {
        try {
          readUp({ ...frame, [field]: value }, false);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
          expect((error as Error).message).not.toContain('SECRET');
        }
      }
    }
  }
});

test('readUp reads or refuses any object, and returns only fields of the schema', () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('alice', 'bob', 'userChat', 'groupChat', 'text', '1024', { text: 'x' }),
  );
  const names = [...new Set(Object.values(upSchemas).flatMap((schema) => Object.keys(schema.properties)))];
  const name = fc.oneof(
    fc.constantFrom(...names),
    fc.constantFrom('constructor', 'toString', 'fromUserID', 'seq'),
    fc.string(),
  );
  const type = fc.constantFrom(...Object.keys(upSchemas), undefined, null, 'constructor');
  fc.assert(
    fc.property(fc.dictionary(name, value), type, fc.boolean(), (fields, messageType, first) => {
      try {
        const up = readUp({ ...fields, messageType }, first);
        const known = Object.keys(upSchemas[up.type].properties);
        for (const field of Object.keys(up.frame)) expect(known).toContain(field);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    { numRuns: 1000 },
  );
});

/** A proxy of the value, and the number of accesses to its properties. */
function counted<T extends object>(value: T): { value: T; looks: () => number } {
  let looks = 0;
  const proxy = new Proxy(value, {
    get: (target, key) => {
      if (key !== 'length') looks += 1;
      return Reflect.get(target, key) as unknown;
    },
    ownKeys: (target) => {
      looks += 1;
      return Reflect.ownKeys(target);
    },
  });
  return { value: proxy, looks: () => looks };
}

test.each([
  ['messageIDs', { messageType: 'receipt' }],
  ['atToUserIDs', chat],
  ['memberUserIDs', { messageType: 'createGroup', clientMsgID: 'c' }],
])('readUp refuses a list of %s above its limit without reading the items', (field, frame) => {
  const list = counted(Array<number>(32_000).fill(1));
  expect(() => readUp({ ...frame, [field]: list.value }, false)).toThrow(new RegExp(`^${field}: .*more than`));
  expect(list.looks()).toBeLessThan(10);
});

test('readUp reads a list once, up to the first invalid item', () => {
  const ids = Array<string>(900).fill('1024');
  const list = counted(['x', ...ids]);
  expect(() => readUp({ messageType: 'receipt', messageIDs: list.value }, false)).toThrow(/^messageIDs\/0: /);
  expect(list.looks()).toBeLessThan(10);
  const good = counted([...ids, '1024']);
  readUp({ messageType: 'receipt', messageIDs: good.value }, false);
  const last = counted([...ids, 'x']);
  expect(() => readUp({ messageType: 'receipt', messageIDs: last.value }, false)).toThrow(/^messageIDs\/900: /);
  expect(last.looks()).toBeLessThanOrEqual(good.looks());
});

test('readUp refuses an invalid field without reading the content after it', () => {
  const content = counted({ text: 'hi', more: 1 });
  expect(() => readUp({ ...chat, toUserID: 'a\tb', content: content.value }, false)).toThrow(/^toUserID: /);
  expect(content.looks()).toBe(0);
});

test('targetOf returns the target that chatType selects', () => {
  expect(targetOf({ chatType: 'userChat', toUserID: 'bob', groupID: 'g' })).toBe('bob');
  expect(targetOf({ chatType: 'groupChat', toUserID: 'bob', groupID: 'g' })).toBe('g');
  expect(() => targetOf({ chatType: 'groupChat', toUserID: 'bob' })).toThrow(ProtocolError);
});
