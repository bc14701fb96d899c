import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Heartbeat } from './heartbeat.js';
import { Deadline } from './late.js';
import { HeldUpTimers } from './testing/clock.js';

const INTERVAL_MS = 20_000;
const HOUR_MS = 3_600_000;

let timers: HeldUpTimers;

beforeEach(() => {
  timers = new HeldUpTimers();
});
afterEach(() => timers.restore());

/** A heartbeat whose server answers each beat while `alive`. */
class Peer {
  beats = 0;
  ended = 0;
  alive = true;
  readonly heartbeat = new Heartbeat(INTERVAL_MS, {
    beat: () => {
      this.beats++;
      if (this.alive) queueMicrotask(() => this.answer());
    },
    silent: () => this.ended++,
  });

  answer(): void {
    this.heartbeat.heard();
    this.heartbeat.answered();
  }
}

describe('Heartbeat', () => {
  test('sends a beat every interval and ends after three intervals of silence', async () => {
    const peer = new Peer();
    await timers.run(10.5 * INTERVAL_MS);
    expect([peer.beats, peer.ended]).toEqual([10, 0]);
    peer.alive = false;
    // The last answer arrived half an interval ago.
    await timers.run(2.4 * INTERVAL_MS);
    expect(peer.ended).toBe(0);
    await timers.run(0.2 * INTERVAL_MS);
    expect(peer.ended).toBe(1);
    await timers.run(HOUR_MS);
    expect(peer.ended).toBe(1);
  });

  test('sends a beat and waits the full time for an answer when its timer fires an hour late', async () => {
    const peer = new Peer();
    peer.alive = false;
    timers.pause(HOUR_MS);
    await timers.run(INTERVAL_MS);
    expect([peer.beats, peer.ended]).toEqual([1, 0]);
    await timers.run(3 * INTERVAL_MS - 1);
    expect(peer.ended).toBe(0);
    await timers.run(1);
    expect(peer.ended).toBe(1);
  });

  test('does not end while its timer fires only once a minute and the server answers', async () => {
    const peer = new Peer();
    await timers.throttled(30);
    expect(peer.ended).toBe(0);
    expect(peer.beats).toBeGreaterThanOrEqual(30);
  });

  test('ends within three minutes when its timer fires only once a minute and the server is silent', async () => {
    const peer = new Peer();
    await timers.throttled(5);
    peer.alive = false;
    await timers.throttled(3);
    expect(peer.ended).toBe(1);
  });

  test('sends a beat on check and ends after one interval without a frame', async () => {
    const peer = new Peer();
    await timers.run(2 * INTERVAL_MS);
    peer.alive = false;
    await timers.run(5_000);
    const { beats } = peer;
    peer.heartbeat.check();
    peer.heartbeat.check();
    expect(peer.beats).toBe(beats + 1);
    await timers.run(INTERVAL_MS - 1);
    expect(peer.ended).toBe(0);
    await timers.run(1);
    expect(peer.ended).toBe(1);
  });

  test('returns to three intervals when any frame follows a check', async () => {
    const peer = new Peer();
    peer.alive = false;
    await timers.run(5_000);
    peer.heartbeat.check();
    await timers.run(1_000);
    peer.heartbeat.heard();
    await timers.run(3 * INTERVAL_MS - 1);
    expect(peer.ended).toBe(0);
    await timers.run(1);
    expect(peer.ended).toBe(1);
  });
});

describe('Deadline', () => {
  test('expires after its time, or never when cleared', async () => {
    let expired = 0;
    const deadline = new Deadline();
    deadline.set(10_000, () => expired++);
    await timers.run(10_000);
    expect(expired).toBe(1);
    deadline.set(10_000, () => expired++);
    deadline.clear();
    await timers.run(HOUR_MS);
    expect(expired).toBe(1);
  });

  test('starts its full time once more when its timer fires late', async () => {
    let expired = 0;
    new Deadline().set(10_000, () => expired++);
    timers.pause(HOUR_MS);
    await timers.run(10_000);
    expect(expired).toBe(0);
    await timers.run(9_999);
    expect(expired).toBe(0);
    await timers.run(1);
    expect(expired).toBe(1);
  });
});
