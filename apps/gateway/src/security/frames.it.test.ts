import { beforeAll, describe, expect, test } from '@jest/globals';
import { subjects, upSchemas } from '@huizhi/protocol';
import { signToken } from '@huizhi/dev-env';
import type { Frame, TestClient } from '../testing/client.js';
import { GatewayFixture, SECRET } from '../testing/gateway-fixture.js';

/**
 * Sends every field of every command with all kinds of invalid values. The fields come from the schemas, so new fields
 * are included.
 */

interface Schema {
  type?: string;
  pattern?: string;
  minLength?: number;
  minItems?: number;
  anyOf?: unknown;
  const?: unknown;
}

const commands: Record<keyof typeof upSchemas, Frame> = {
  login: {
    messageType: 'login',
    fromUserID: 'alice',
    versionCode: 2,
    token: 'x',
    deviceID: 'phone',
    deviceType: 'iOS',
  },
  normal: {
    ...{
      messageType: 'normal',
      chatType: 'userChat',
      contenType: 'text',
      toUserID: 'bob',
      groupID: 'g',
      clientMsgID: 'c',
    },
    ...{ sendTime: '1', atToUserIDs: ['bob'], content: { text: 'x' } },
  },
  createGroup: {
    messageType: 'createGroup',
    clientMsgID: 'c',
    sendTime: '1',
    groupName: 'team',
    memberUserIDs: ['bob'],
  },
  receipt: { messageType: 'receipt', messageID: '1024', messageIDs: ['1024'], upTo: 1 },
  history: {
    ...{ messageType: 'history', requestID: 'r', chatType: 'userChat', toUserID: 'bob', groupID: 'g' },
    ...{ beforeSeq: 9, afterSeq: 1, limit: 10 },
  },
  beat: { beatID: 'b' },
};

const long = JSON.stringify('x'.repeat(5_000));
/** Values that no field accepts, as JSON text, because JSON.stringify could not create some of them. */
const poison = [
  '"\\u0000"',
  '"a\\ud800b"',
  '1e999',
  '9007199254740993',
  '['.repeat(20) + ']'.repeat(20),
  '{"__proto__":1}',
];

/**
 * Invalid values as JSON text. Values that the protocol accepts as equivalents, such as a number for digits, are
 * excluded.
 */
function wrongValues({ type, pattern, minLength, minItems, anyOf, const: literal }: Schema): string[] {
  if (literal !== undefined || anyOf !== undefined)
    return ['true', '{}', '[]', '1.5', '7', '"nonsense"', '["normal"]', long];
  switch (type) {
    case 'string':
      return [
        'true',
        '{}',
        '[]',
        '1.5',
        '["a"]',
        long,
        ...(pattern || minLength ? ['""'] : []),
        ...(pattern ? ['" "', '"\\u200b"'] : []),
      ];
    case 'integer':
      return ['true', '{}', '[]', '1.5', '-1', '""', '"x"', '"1.5"', '"-1"', '"1e3"', '" 1"', '[1]', long];
    case 'array':
      return [
        'true',
        '{}',
        '7',
        '"bob"',
        '[{}]',
        '[true]',
        '[1.5]',
        '[""]',
        '[["a"]]',
        JSON.stringify(Array(1_001).fill('1')),
        ...(minItems ? ['[]'] : []),
      ];
    case 'object':
      return ['true', '[]', '7', '"x"', long];
    default:
      throw new Error(`add invalid values for fields of type ${type}`);
  }
}

const withField = (frame: Frame, field: string, value: string): string =>
  JSON.stringify({ ...frame, [field]: '?' }).replace(`"${field}":"?"`, () => `"${field}":${value}`);

function* wrongFrames(command: keyof typeof upSchemas): Iterable<[field: string, text: string]> {
  for (const [field, schema] of Object.entries(upSchemas[command].properties)) {
    for (const value of [...wrongValues(schema as Schema), ...poison]) {
      yield [field, withField(commands[command], field, value)];
    }
    if (upSchemas[command].required?.includes(field as never))
      yield [field, withField(commands[command], field, 'null')];
  }
}

const fixture = GatewayFixture.forAllTests({ HZ_FRAMES_PER_SECOND: '100000', HZ_LOGIN_ATTEMPTS: '10000' });
let asked = 0;

beforeAll(() => void fixture.bus.subscribe(subjects.history, () => (asked += 1)));

const NAMES = ['badField', 'badText', 'tooDeep', 'unsupported'];
const isRefusal = ({ messageType }: Frame): boolean => messageType === 'error' || messageType === 'invalidReceipt';

async function refusals(client: TestClient, count: number): Promise<Frame[]> {
  await client.frame(() => client.frames.filter(isRefusal).length >= count);
  return client.frames.filter(isRefusal);
}

describe('an invalid field', () => {
  test('is tested for every command', () => {
    expect(Object.keys(commands).sort()).toEqual(Object.keys(upSchemas).sort());
  });

  const open = Object.keys(commands).filter((name) => name !== 'login') as (keyof typeof upSchemas)[];

  test.each(open)(
    'of %s is refused with an error name; nothing reaches the services and the session stays open',
    async (command) => {
      const client = await fixture.login(`user-${command}`);
      const frames = [...wrongFrames(command)];
      expect(frames.length).toBeGreaterThan(10);
      const before = fixture.offline.cursors.length;
      for (const [, text] of frames) client.raw(`${text}\n`);
      const answers = await refusals(client, frames.length);
      for (const [n, [field, text]] of frames.entries()) {
        expect([field, text.slice(0, 300), answers[n]?.name]).toEqual([
          field,
          text.slice(0, 300),
          expect.stringMatching(NAMES.join('|')),
        ]);
      }
      client.send({ beatID: 'still here' });
      await client.frame({ beatID: 'still here' });
      expect(answers).toHaveLength(frames.length);
      expect([fixture.message.seen, asked, fixture.offline.cursors.length]).toEqual([[], 0, before]);
    },
  );

  test('is refused by `invalidReceipt` when the message has an id or time, otherwise by `error`', async () => {
    const client = await fixture.login('names');
    const wrong = { ...commands.normal, toUserID: 'a\u200bb', requestID: 'r1', clientMsgID: null, sendTime: null };
    const cases: [Frame, Frame][] = [
      [{ clientMsgID: 'c1' }, { messageType: 'invalidReceipt', clientMsgID: 'c1' }],
      [{ sendTime: 5 }, { messageType: 'invalidReceipt', sendTime: '5' }],
      [{}, { messageType: 'error', requestID: 'r1' }],
      [{ requestID: null }, { messageType: 'error' }],
      [
        { clientMsgID: {}, sendTime: 'x'.repeat(200) },
        { messageType: 'error', requestID: 'r1' },
      ],
    ];
    client.send(...cases.map(([fields]) => ({ ...wrong, ...fields })));
    const names = ({ messageType, clientMsgID, sendTime, requestID }: Frame): Frame => ({
      ...{ messageType, clientMsgID, sendTime, requestID },
    });
    const answers = await refusals(client, cases.length);
    expect(answers.map(names)).toEqual(cases.map(([, answer]) => names(answer)));
  });

  test('of a login is refused with an error name, and no session is requested', async () => {
    const opens = fixture.offline.opens.length;
    await Promise.all(
      [...wrongFrames('login')].map(async ([field, text]) => {
        const client = await fixture.connect();
        client.raw(`${text.slice(0, 4_000)}\n`.replace(/\n+$/, '\n'));
        await client.closed();
        const [answer] = client.frames;
        expect([field, text.slice(0, 200), answer?.name]).toEqual([
          field,
          text.slice(0, 200),
          expect.stringMatching([...NAMES, 'badFrame', 'frameTooLarge'].join('|')),
        ]);
      }),
    );
    expect(fixture.offline.opens).toHaveLength(opens);
  });
});

test('the last value counts when a field is given twice', async () => {
  const client = await fixture.login('twice');
  client.raw(
    '{"messageType":"normal","chatType":"userChat","contenType":"text","toUserID":"bob","toUserID":"carol","clientMsgID":"t1","content":{"text":"x"},"messageType":"normal"}\n',
  );
  await client.frame({ clientMsgID: 't1' });
  expect(fixture.message.seen.at(-1)?.send.to).toBe('carol');
});

test('fields named like Object.prototype members are not stored, and content keeps them', async () => {
  const client = await fixture.login('names');
  const names = { constructor: 'x', toString: 'x', hasOwnProperty: 'x', valueOf: 1, then: 'x', toJSON: 'x', length: 5 };
  const frame = {
    ...commands.normal,
    groupID: undefined,
    clientMsgID: 'n1',
    ...names,
    content: { text: 'x', ...names },
  };
  client.send(frame);
  expect(await client.frame({ clientMsgID: 'n1' })).toMatchObject({ messageType: 'normalReceipt' });
  const body = fixture.message.seen.at(-1)?.body ?? {};
  expect(body.content).toEqual({ text: 'x', ...names });
  expect(Object.keys(body).filter((name) => name in names)).toEqual([]);
  expect(({} as Record<string, unknown>).x).toBeUndefined();
});

test.each([
  ['gzip', Buffer.from('1f8b0800000000000003abae05004a7d86f302000000', 'hex')],
  ['zeros', Buffer.alloc(100)],
  ['a TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x03])],
  ['a byte order mark', Buffer.from('\ufeff{"beatID":"1"}')],
  ['UTF-16', Buffer.from('{"beatID":"1"}', 'utf16le')],
])('a session is closed when it sends %s, and no other is', async (_, bytes) => {
  const bystander = await fixture.login('bystander');
  const client = await fixture.login('turncoat');
  client.raw(Buffer.concat([bytes, Buffer.from('\n')]));
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name: 'badFrame' });
  bystander.send({ beatID: 'works' });
  await bystander.frame({ beatID: 'works' });
});

test('a token of another user gets the same answer for a known and an unknown user', async () => {
  const answers = [];
  for (const user of ['known', 'nobody-has-this-name']) {
    if (user === 'known') (await fixture.login(user)).destroy();
    const client = await fixture.connect();
    client.send({ messageType: 'login', fromUserID: user, versionCode: 2, token: await signToken(SECRET, 'mallory') });
    await client.closed();
    answers.push(client.lines);
  }
  expect(answers[0]).toHaveLength(2);
  expect(answers[1]).toEqual(answers[0]);
});
