import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { LoginReceipt } from '@huizhi/protocol/client';
import { toSettings } from './settings.js';
import { Reconnector } from './reconnector.js';
import { HeldUpTimers } from './testing/clock.js';
import type { TransportHandlers } from './transport.js';

const MINUTE_MS = 60_000;

let timers: HeldUpTimers;

beforeEach(() => {
  timers = new HeldUpTimers();
});
afterEach(() => timers.restore());

/** A reconnector whose transport and wake signal the test controls. */
class Link {
  readonly wires: TransportHandlers[] = [];
  readonly sent: string[] = [];
  readonly ends: string[] = [];
  /** Undefined while the reconnector is not subscribed. */
  wake: (() => void) | undefined;
  readonly reconnector = new Reconnector(
    toSettings({
      ...{ address: 'tcp://x:1', user: 'alice', deviceID: 'phone', token: () => '' },
      timings: { reconnect: { baseMs: MINUTE_MS, maxMs: MINUTE_MS } },
    }),
    (handlers) => {
      this.wires.push(handlers);
      return { send: (json) => void this.sent.push(json), end: () => handlers.onClose(), destroy: () => undefined };
    },
    {
      onState: () => undefined,
      onOnline: () => undefined,
      onFrame: () => undefined,
      onHead: () => undefined,
      onEnd: ({ name }) => this.ends.push(name),
    },
    (wake) => {
      this.wake = wake;
      return () => (this.wake = undefined);
    },
  );

  async online(): Promise<void> {
    void this.reconnector.connect(MINUTE_MS);
    this.wires.at(-1)!.onOpen();
    await timers.run(0);
    this.wires.at(-1)!.onFrame({ messageType: 'loginReceipt', code: 0, heartbeat: 20 } satisfies LoginReceipt);
  }

  get beats(): number {
    return this.sent.filter((json) => json.includes('beatID')).length;
  }
}

test('the reconnector connects within a second after a wake signal', async () => {
  const link = new Link();
  await link.online();
  link.wires[0]!.onClose();
  for (let n = 0; n < 10; n++) link.wake!();
  await timers.run(1_001);
  expect(link.wires).toHaveLength(2);
});

test('the reconnector keeps the delay requested by the server after a wake signal', async () => {
  const link = new Link();
  await link.online();
  const close = { messageType: 'close', code: 4000, name: 'drain', reconnect: true, reason: '', retryAfter: 20_000 };
  link.wires[0]!.onFrame(close);
  link.wake!();
  await timers.run(19_000);
  expect(link.wires).toHaveLength(1);
  link.wake!();
  await timers.run(1_001);
  expect(link.wires).toHaveLength(2);
});

test('the reconnector sends a heartbeat at a wake signal and ends the connection when no frame follows', async () => {
  const link = new Link();
  await link.online();
  await timers.run(5_000);
  link.wake!();
  link.wake!();
  expect(link.beats).toBe(1);
  await timers.run(20_001);
  expect(link.ends).toEqual(['heartbeatMissed']);
});

test('the reconnector keeps the connection of a page frozen for an hour when its heartbeat is answered', async () => {
  const link = new Link();
  await link.online();
  timers.pause(60 * MINUTE_MS);
  link.wake!();
  await timers.run(15_000);
  expect([link.beats, link.ends]).toEqual([1, []]);
  link.wires[0]!.onFrame({ beatID: '1', inboxSeq: 0, serverTime: '1' });
  await timers.run(50_000);
  expect(link.ends).toEqual([]);
});

test('the reconnector subscribes to wake signals from connect() until it is closed', async () => {
  const link = new Link();
  expect(link.wake).toBeUndefined();
  await link.online();
  expect(link.wake).toBeDefined();
  await link.reconnector.close();
  expect(link.wake).toBeUndefined();
  await link.online();
  link.wires.at(-1)!.onFrame({ messageType: 'close', code: 4500, name: 'kicked', reconnect: false, reason: '' });
  expect(link.reconnector.state).toBe('closed');
  expect(link.wake).toBeUndefined();
});
