import { expect, test } from '@jest/globals';
import type { Bus } from '@huizhi/runtime';
import type { SessionSocket } from './session-socket.js';
import { SendBudget } from '../sends/session-sends.js';
import { FlushScheduler } from '../timing/flush-scheduler.js';
import { TimingWheel } from '../timing/timing-wheel.js';
import { LaneRegistration } from './lane-registration.js';
import { Session, type SessionSettings } from './session.js';
import { Sessions } from './sessions.js';

const HOUR_MS = 3_600_000;

test('the registration attaches all sessions once, at the earliest of several requested moments', async () => {
  const now = (): number => performance.now();
  const wheel = new TimingWheel(now());
  const budget = new SendBudget(Infinity);
  const sessions = new Sessions(wheel, () => undefined, budget);
  const identity = { user: 'alice', device: 'phone', deviceType: undefined, version: 2 };
  const session = new Session(1, identity, 3, {} as SessionSocket, {} as SessionSettings, [], budget);
  session.opened({ epoch: 1, cursor: 0, head: 0, last: 0 });
  sessions.add(session);
  const published: string[] = [];
  let attached = (): void => undefined;
  const bus = {
    publish: (subject: string): void => {
      published.push(subject);
      attached();
    },
  } as unknown as Bus;
  const registration = new LaneRegistration(bus, 'g', sessions, new FlushScheduler(), wheel, now);
  for (const reasons of [
    [HOUR_MS, 0],
    [0, HOUR_MS],
  ]) {
    const heard = new Promise<void>((resolve) => (attached = resolve));
    for (const withinMs of reasons) registration.attachAll(withinMs);
    await heard;
  }
  registration.stop();
  expect(published).toEqual(['hz.session.attach.3', 'hz.session.attach.3']);
});
