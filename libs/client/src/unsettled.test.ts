import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SendUnknownError } from './errors.js';
import { MemoryStore } from './memory-store.js';
import type { Observed } from './observer.js';
import type { Unsettled, UnsettledStore } from './store.js';
import { gate, Harness, until } from './testing/harness.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(() => harness.stop());

/** A store that outlives its client; `ready` delays or fails `keep`. */
class Shelf extends MemoryStore {
  readonly sends = new Map<string, Unsettled>();
  ready: Promise<void> = Promise.resolve();

  readonly unsettled: UnsettledStore = {
    list: () => [...this.sends.values()],
    keep: async ({ clientMsgID, lane, json }) => {
      await this.ready;
      this.sends.set(clientMsgID, { clientMsgID, lane, json });
    },
    settled: async (clientMsgID) => void this.sends.delete(clientMsgID),
  };
}

describe('the client, with a store that keeps unsettled sends,', () => {
  test('writes a send only after it is kept, in order', async () => {
    const store = new Shelf();
    const first = gate();
    const [client, peer] = await harness.online({ store });
    store.ready = first.opened;
    client.sendText({ user: 'bob' }, 'one', { clientMsgID: 'a1' });
    store.ready = Promise.resolve();
    client.sendText({ user: 'bob' }, 'two', { clientMsgID: 'a2' });
    client.sendText({ user: 'carol' }, 'three', { clientMsgID: 'a3' });
    expect((await peer.nextOf('normal')).clientMsgID).toBe('a3');
    expect(peer.seen.filter(({ messageType }) => messageType === 'normal')).toHaveLength(1);
    first.open();
    expect((await peer.nextOf('normal')).clientMsgID).toBe('a1');
    expect((await peer.nextOf('normal')).clientMsgID).toBe('a2');
  });

  test('removes stored and refused sends from the store', async () => {
    const store = new Shelf();
    const [client, peer] = await harness.online({ store });
    const stored = client.sendText({ user: 'bob' }, 'one', { clientMsgID: 'a1' });
    const refused = client.sendText({ user: 'bob' }, 'two', { clientMsgID: 'a2' });
    peer.accept(await peer.nextOf('normal'), 1);
    await stored.receipt;
    await peer.nextOf('normal');
    expect([...store.sends.keys()]).toEqual(['a2']);
    peer.send({ messageType: 'invalidReceipt', code: 1201, name: 'notAllowed', reason: 'no', clientMsgID: 'a2' });
    await expect(refused.receipt).rejects.toMatchObject({ error: 'notAllowed' });
    expect(store.sends.size).toBe(0);
  });

  test('sends the sends of an earlier client before new ones and settles them', async () => {
    const store = new Shelf();
    const [client, peer] = await harness.online({ store });
    const left = ['a1', 'a2'].map((clientMsgID) => client.sendText({ user: 'bob' }, clientMsgID, { clientMsgID }));
    await peer.nextOf('normal');
    await client.close();
    for (const { receipt } of left) await expect(receipt).rejects.toBeInstanceOf(SendUnknownError);

    const next = harness.client({ store });
    expect(next.restored.map(({ clientMsgID, frame }) => [clientMsgID, frame.toUserID, frame.content])).toEqual([
      ['a1', 'bob', { text: 'a1' }],
      ['a2', 'bob', { text: 'a2' }],
    ]);
    next.sendText({ user: 'bob' }, 'new', { clientMsgID: 'a3' });
    const online = next.connect();
    const second = await harness.server.loggedIn();
    await online;
    for (const [n, id] of ['a1', 'a2', 'a3'].entries()) {
      const frame = await second.nextOf('normal');
      expect(frame.clientMsgID).toBe(id);
      second.accept(frame, n + 1);
    }
    expect(await Promise.all(next.restored.map(async ({ receipt }) => (await receipt).seq))).toEqual([1, 2]);
    await until('an empty store', () => store.sends.size === 0);
  });

  test('reports restored sends to the observer like the first time', async () => {
    const store = new Shelf();
    const observed: Observed[][] = [[], []];
    const [first] = await harness.online({ store, observer: (event) => observed[0]?.push(event) });
    first.sendText({ user: 'bob' }, 'hi', { clientMsgID: 'a1' });
    first.createGroup(['carol'], 'team', { clientMsgID: 'a2' });
    await until('both to be kept', () => store.sends.size === 2);
    await first.close();
    harness.client({ store, observer: (event) => observed[1]?.push(event) });
    const invoked = observed.map((events) => events.filter(({ ev }) => ev === 'invoke'));
    expect(invoked[1]).toHaveLength(2);
    expect(invoked[1]).toEqual(invoked[0]);
  });

  test('does not write a send that cannot be kept, and writes the others', async () => {
    const store = new Shelf();
    const [client, peer] = await harness.online({ store });
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    store.ready = Promise.reject(new Error('the disk is full'));
    const { receipt } = client.sendText({ user: 'bob' }, 'one');
    store.ready = Promise.resolve();
    client.sendText({ user: 'bob' }, 'two', { clientMsgID: 'a2' });
    await expect(receipt).rejects.toMatchObject({ name: 'SendUnknownError', neverSent: true });
    expect((await peer.nextOf('normal')).clientMsgID).toBe('a2');
    expect(errors).toEqual(['the disk is full']);
  });
});
