import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryStore } from './memory-store.js';
import { HuizhiClient } from './node.js';
import type { ClientOptions } from './options.js';
import { FakeServer } from './testing/fake-server.js';
import { Harness } from './testing/harness.js';

const GOOD = { address: 'tls://localhost:1', user: 'alice', deviceID: 'phone', token: () => 'a-token' };

describe('the constructor throws a TypeError that names the option when', () => {
  const address = { host: 'localhost', port: 1 };
  const store = new MemoryStore();
  test.each<[string, object, RegExp]>([
    ['there is no address', { address: undefined }, /address must be a URL or an object, not undefined/],
    ['the address is no URL', { address: 'localhost' }, /address is no URL/],
    ['the port is a string', { address: { ...address, port: '1' } }, /address\.port must be a whole number/],
    ['the port is too high', { address: { ...address, port: 65_536 } }, /address\.port/],
    ['the host is missing', { address: { port: 1 } }, /address\.host/],
    ['the mode is unknown', { address: { ...address, mode: 'udp' } }, /address\.mode must be one of/],
    ['tls is a string', { address: { ...address, tls: 'false' } }, /address\.tls must be true or false/],
    ['the ca is no text', { address: { ...address, ca: Buffer.from('x') } }, /address\.ca must be a string/],
    ['there is no user', { user: undefined }, /user must be a string that is not empty.* not undefined/],
    ['the user is a number', { user: 7 }, /user must be a string/],
    ['the user is empty', { user: '' }, /user .* not an empty string/],
    ['the user has control characters', { user: 'a\nb' }, /user .*control characters/],
    ['the device is null', { deviceID: null }, /deviceID/],
    ['the device type is long', { deviceType: 'x'.repeat(33) }, /deviceType must be at most 32/],
    ['the version is negative', { versionCode: -1 }, /versionCode/],
    ['there is no token', { token: undefined }, /token must be a string or a function/],
    ['the token is a promise', { token: Promise.resolve('') }, /token must be a string or a function/],
    ['the store lacks a method', { store: { ...store } }, /store\.saveMessages must be a function/],
    ['the transport is no function', { transport: {} }, /transport must be a function/],
    ['the observer is no function', { observer: [] }, /observer must be a function/],
    ['a time is negative', { timings: { connectMs: -1 } }, /timings\.connectMs/],
    ['a time is NaN', { timings: { historyMs: NaN } }, /timings\.historyMs/],
    ['a time is longer than a timer can wait', { timings: { loginMs: 2 ** 31 } }, /timings\.loginMs/],
    ['a time is a string', { timings: { answerMs: '5' } }, /timings\.answerMs/],
    ['a back-off is a number', { timings: { reconnect: 5 } }, /timings\.reconnect must be an object/],
    ['a back-off is not whole', { timings: { resend: { baseMs: 5 } } }, /timings\.resend\.maxMs/],
    ['a time has a misspelt name', { timings: { conectMs: 5 } }, /timings\.conectMs is not a timing/],
    ['a bound is zero', { bounds: { outbox: 0 } }, /bounds\.outbox/],
    ['a bound is no whole number', { bounds: { inbox: 5.5 } }, /bounds\.inbox/],
    ['a bound has a misspelt name', { bounds: { outBox: 5 } }, /bounds\.outBox is not a bound/],
  ])('%s', (_, wrong, message) => {
    const make = (): unknown => new HuizhiClient({ ...GOOD, ...wrong });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(message);
  });

  test('all options are missing, or the store has an invalid bound', () => {
    expect(() => new HuizhiClient(undefined as unknown as ClientOptions)).toThrow(TypeError);
    for (const kept of [0, -1, NaN, '5' as unknown as number]) expect(() => new MemoryStore(kept)).toThrow(TypeError);
  });

  test('the token is an object, without its value in the message', () => {
    const secret = { toString: () => 'a-secret' };
    expect(() => new HuizhiClient({ ...GOOD, token: secret as unknown as string })).toThrow(/not an object/);
  });
});

describe('the client', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.start();
  });
  afterEach(() => harness.stop());

  test('uses a token string at each login, and the default for an undefined timing or bound', async () => {
    const client = harness.client({
      token: 'constant',
      timings: { loginMs: undefined },
      bounds: { outbox: undefined },
    });
    const online = client.connect();
    const first = await harness.server.peer();
    expect(await first.login()).toMatchObject({ token: 'constant' });
    await online;
    first.cut();
    expect(await (await harness.server.peer()).login()).toMatchObject({ token: 'constant' });
  });

  test.each<[string, unknown, unknown, object?]>([
    ['no target', undefined, { text: 'x' }],
    ['a target that is a string', 'bob', { text: 'x' }],
    ['a target without a user', { user: undefined }, { text: 'x' }],
    ['a target of a number', { user: 7 }, { text: 'x' }],
    ['a target of two kinds', { user: 'bob', group: 'g' }, { text: 'x' }],
    ['an empty group', { group: '' }, { text: 'x' }],
    ['no content', { user: 'bob' }, undefined],
    ['content that is null', { user: 'bob' }, null],
    ['content that is a string', { user: 'bob' }, 'x'],
    ['content that is an array', { user: 'bob' }, ['x']],
    ['a client id that is empty', { user: 'bob' }, { text: 'x' }, { clientMsgID: '' }],
    ['a client id with a space', { user: 'bob' }, { text: 'x' }, { clientMsgID: 'a b' }],
    ['a client id that is a number', { user: 'bob' }, { text: 'x' }, { clientMsgID: 7 }],
    ['a client id of 65 characters', { user: 'bob' }, { text: 'x' }, { clientMsgID: 'x'.repeat(65) }],
    ['a kind that is no string', { user: 'bob' }, { text: 'x' }, { contenType: 7 }],
    ['a time that is a Date', { user: 'bob' }, { text: 'x' }, { sendTime: new Date() }],
    ['mentions that are a string', { user: 'bob' }, { text: 'x' }, { atToUserIDs: 'carol' }],
    ['options that are a string', { user: 'bob' }, { text: 'x' }, 'id' as unknown as object],
  ])('throws a TypeError at once when it sends %s', async (...[, target, content, options]) => {
    const [client] = await harness.online();
    const send = (): unknown => client.send(target as never, content as never, options);
    expect(send).toThrow(TypeError);
    expect(client.pending).toBe(0);
  });

  test('throws a TypeError at once when content is not serialisable: a BigInt, or a cycle', async () => {
    const [client] = await harness.online();
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    for (const content of [{ n: 1n }, cyclic]) {
      expect(() => client.send({ user: 'bob' }, content)).toThrow(TypeError);
      expect(client.pending).toBe(0);
    }
  });

  test('throws a TypeError at once when a text is not a string', async () => {
    const [client] = await harness.online();
    for (const text of [undefined, null, 7, {}]) {
      expect(() => client.sendText({ user: 'bob' }, text as string)).toThrow(TypeError);
    }
  });

  test('throws a TypeError at once when a group has invalid members, an invalid name or an invalid client id', async () => {
    const [client] = await harness.online();
    for (const members of [undefined, 'bob', [], [''], [7], ['bob', undefined]]) {
      expect(() => client.createGroup(members as unknown as string[])).toThrow(TypeError);
    }
    expect(() => client.createGroup(['bob'], 7 as unknown as string)).toThrow(TypeError);
    expect(() => client.createGroup(['bob'], 'team', { clientMsgID: 'a b' })).toThrow(TypeError);
  });

  test('rejects an invalid history request with a TypeError and answers the next one', async () => {
    const [client, peer] = await harness.online();
    const wrong: [unknown, unknown][] = [
      [undefined, {}],
      [{ user: undefined }, {}],
      [{ user: 'bob' }, { limit: 0 }],
      [{ user: 'bob' }, { limit: 201 }],
      [{ user: 'bob' }, { beforeSeq: -1 }],
      [{ user: 'bob' }, { afterSeq: 1n }],
      [{ user: 'bob' }, { beforeSeq: '7' }],
      [{ user: 'bob' }, null],
    ];
    for (const [target, query] of wrong) {
      await expect(client.history(target as never, query as never)).rejects.toBeInstanceOf(TypeError);
    }
    const page = client.history({ user: 'bob' }, { limit: 1 });
    const { requestID } = await peer.nextOf('history');
    peer.send({ messageType: 'historyReceipt', requestID, conversationID: 'p_x', messages: [], hasMore: false });
    expect(await page).toMatchObject({ messages: [] });
  });

  test('throws a TypeError when an event does not exist or a listener is not a function', async () => {
    const client = harness.client();
    expect(() => client.on('mesage' as 'message', () => undefined)).toThrow(/mesage is not an event/);
    expect(() => client.on('message', undefined as never)).toThrow(/listener must be a function/);
  });

  test('rejects connect() with a TypeError when the timeout is invalid', async () => {
    const client = harness.client();
    for (const timeoutMs of [0, -1, NaN, 2 ** 31, '5']) {
      await expect(client.connect({ timeoutMs: timeoutMs as number })).rejects.toBeInstanceOf(TypeError);
    }
    expect(harness.server.connections).toBe(0);
    const online = client.connect({ timeoutMs: Infinity });
    await harness.server.loggedIn();
    await online;
  });
});

test('the client closes with a TypeError when the token callback returns no string', async () => {
  const server = await FakeServer.start();
  const client = new HuizhiClient({ ...GOOD, address: server.address, token: (() => ({ jwt: 'x' })) as never });
  await expect(client.connect()).rejects.toThrow(/token callback must give a string, not an object/);
  expect(client.state).toBe('closed');
  await server.stop();
});
