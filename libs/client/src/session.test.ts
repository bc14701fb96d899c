import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { toSettings } from './settings.js';
import { Session, type SessionEnd } from './session.js';
import type { TransportHandlers } from './transport.js';

const HEARTBEAT_S = 20;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A logged-in session whose transport the test controls. */
async function online(): Promise<{ hear(): void; sent: string[]; ends: SessionEnd[] }> {
  const sent: string[] = [];
  const ends: SessionEnd[] = [];
  let wire!: TransportHandlers;
  const settings = toSettings({ address: 'tcp://x:1', user: 'alice', deviceID: 'phone', token: () => '' });
  new Session(
    settings,
    (handlers) => {
      wire = handlers;
      return { send: (json) => void sent.push(json), end: () => undefined, destroy: () => undefined };
    },
    {
      onLoggingIn: () => undefined,
      onOnline: () => undefined,
      onFrame: () => undefined,
      onHead: () => undefined,
      onEnd: (end) => ends.push(end),
    },
  );
  wire.onOpen();
  await jest.advanceTimersByTimeAsync(0);
  wire.onFrame({ messageType: 'loginReceipt', code: 0, heartbeat: HEARTBEAT_S });
  return { hear: () => wire.onFrame({ beatID: '1', inboxSeq: 0, serverTime: '1' }), sent, ends };
}

test('the session ends after three heartbeat intervals of silence, regardless of when it begins', async () => {
  const { hear, sent, ends } = await online();
  jest.advanceTimersByTime(30_000);
  hear();
  jest.advanceTimersByTime(3 * HEARTBEAT_S * 1_000 - 1);
  expect(ends).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(ends).toMatchObject([{ name: 'heartbeatMissed', reconnect: true }]);
  // The login, and a beat every 20 of the 90 seconds.
  expect(sent).toHaveLength(1 + 4);
  jest.advanceTimersByTime(60_000);
  expect(sent).toHaveLength(1 + 4);
});
