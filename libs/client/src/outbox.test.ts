import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { toSettings } from './settings.js';
import { Outbox } from './outbox.js';
import { FrameRate } from './rate.js';
import { HeldUpTimers } from './testing/clock.js';

const HOUR_MS = 3_600_000;

let timers: HeldUpTimers;

beforeEach(() => {
  timers = new HeldUpTimers();
});
afterEach(() => timers.restore());

test('the outbox waits the full answer time again before it restarts the connection when its timer was late', async () => {
  const settings = toSettings({
    ...{ address: 'tcp://x:1', user: 'alice', deviceID: 'phone', token: () => '' },
    timings: { answerMs: 10_000, deadlineMs: 0 },
  });
  const outbox = new Outbox(settings, () => undefined, new FrameRate(), { store: undefined, failed: () => undefined });
  const sent: string[] = [];
  const restarts: string[] = [];
  const wire = { sendText: (json: string) => void sent.push(json), restart: (why: string) => void restarts.push(why) };
  outbox.online(wire, { unansweredSends: 10 });
  outbox.reserve('c1', 'u:bob', '{}', 2);
  outbox.pump();
  await timers.run(11_000);
  expect(sent).toHaveLength(2);
  timers.pause(HOUR_MS);
  await timers.run(9_000);
  expect(restarts).toEqual([]);
  await timers.run(2_000);
  expect(restarts[0]).toBe('a message was sent twice and never answered');
  outbox.abandon('the test is over');
});
