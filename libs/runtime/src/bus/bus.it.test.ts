import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Nats, eventually } from '@huizhi/dev-env';
import { silentLogger } from '../log/logger.js';
import { metricsRegistry } from '../metrics/metrics.js';
import { collectGarbage, RecordingLog } from '@huizhi/testing';
import { Bus, MAX_BUS_PAYLOAD, type BusHandler, type BusOptions } from './bus.js';
import { BusDisconnectedError, BusNoRespondersError, BusOverloadedError, BusTimeoutError } from './errors.js';

let folder: string;
let nats: Nats;
const open: Bus[] = [];
let names = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-bus-'));
  nats = await Nats.start({ dataDir: folder });
});
beforeEach(async () => {
  await nats.kill9();
  await nats.restart();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((bus) => bus.drain()));
});
afterAll(async () => {
  await nats.stop();
  rmSync(folder, { recursive: true });
});

function newBus(options: Partial<BusOptions> = {}): Bus {
  names += 1;
  const bus = Bus.connect({ url: nats.url(), name: `test-${names}`, log: silentLogger, ...options });
  open.push(bus);
  return bus;
}

async function readyBus(options: Partial<BusOptions> = {}): Promise<Bus> {
  const bus = newBus(options);
  await bus.ready();
  return bus;
}

function collect(bus: Bus, subject: string, queue?: string): string[] {
  const texts: string[] = [];
  bus.subscribe(subject, (payload) => texts.push(Buffer.from(payload).toString()), queue ? { queue } : {});
  return texts;
}

async function metric(name: string, labels: Record<string, string> = {}): Promise<number> {
  const found = await metricsRegistry.getSingleMetric(name)?.get();
  const matching = found?.values.filter((v) => Object.entries(labels).every(([k, x]) => v.labels[k] === x)) ?? [];
  return matching.reduce((sum, value) => sum + value.value, 0);
}

/** The server must know the subscriptions of a connection before another connection publishes. */
async function settled(...buses: Bus[]): Promise<void> {
  for (const bus of buses) {
    const subject = `test.settled.${(names += 1)}`;
    const seen = collect(bus, subject);
    await eventually('the server knows the subscriptions', () => bus.publish(subject, '') && seen.length > 0);
  }
}

describe('publishing', () => {
  test('arrives in order, as text and as bytes, with its subject', async () => {
    const [a, b] = [await readyBus(), await readyBus()];
    const seen: string[] = [];
    b.subscribe('test.x.*', (payload, subject) => seen.push(`${subject} ${Buffer.from(payload).toString('latin1')}`));
    await settled(b);
    for (let i = 0; i < 1_000; i += 1) a.publish(`test.x.${i % 2}`, i % 2 ? `${i}` : Buffer.from(`${i}`));
    await eventually('all arrived', () => seen.length === 1_000);
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, i) => `test.x.${i % 2} ${i}`));
  });

  test('one member of a queue group gets each payload', async () => {
    const [a, b, c] = [await readyBus(), await readyBus(), await readyBus()];
    const [seenB, seenC] = [collect(b, 'test.q', 'group'), collect(c, 'test.q', 'group')];
    await settled(b, c);
    for (let i = 0; i < 200; i += 1) a.publish('test.q', `${i}`);
    await eventually('each once', () => seenB.length + seenC.length === 200);
    expect(seenB.length).toBeGreaterThan(0);
    expect(seenC.length).toBeGreaterThan(0);
  });

  test('accepts exactly 1 MiB and throws for one byte more', async () => {
    const bus = await readyBus();
    let size = 0;
    bus.subscribe('test.big', (payload) => (size = payload.length));
    bus.publish('test.big', Buffer.alloc(MAX_BUS_PAYLOAD));
    await eventually('arrived', () => size === MAX_BUS_PAYLOAD);
    expect(() => bus.publish('test.big', Buffer.alloc(MAX_BUS_PAYLOAD + 1))).toThrow('split the payload');
    expect(() => bus.publish('test.big', '回'.repeat(MAX_BUS_PAYLOAD / 2))).toThrow('split the payload');
  });

  test('counts each error of a handler, logs one per interval, and handles the next payload', async () => {
    const log = new RecordingLog();
    const bus = await readyBus({ log });
    const before = await metric('hz_bus_handler_errors_total');
    let calls = 0;
    bus.subscribe('test.throws', () => {
      calls += 1;
      throw new Error('boom');
    });
    const rejecting: unknown = () => Promise.reject(new Error('boom'));
    bus.subscribe('test.rejects', rejecting as BusHandler);
    for (let i = 0; i < 10; i += 1) bus.publish('test.throws', '');
    bus.publish('test.rejects', '');
    await eventually('all failed', async () => (await metric('hz_bus_handler_errors_total')) - before === 11);
    expect(calls).toBe(10);
    expect(log.events('error')).toEqual(['bus.handler-failed']);
  });

  test('delivers nothing after unsubscribe', async () => {
    const bus = await readyBus();
    let count = 0;
    const subscription = bus.subscribe('test.u', () => (count += 1));
    bus.publish('test.u', '');
    await eventually('the first', () => count === 1);
    subscription.unsubscribe();
    bus.publish('test.u', '');
    await settled(bus);
    expect(count).toBe(1);
  });
});

describe('requests', () => {
  test('get each its own reply', async () => {
    const [a, b] = [await readyBus(), await readyBus()];
    b.subscribe('test.echo', (payload, _subject, reply) => b.respond(reply ?? '', payload));
    await settled(b);
    const replies = await Promise.all(
      Array.from({ length: 500 }, (_, i) => a.request('test.echo', `${i}`, { timeoutMs: 20_000 })),
    );
    expect(replies.map((reply) => Buffer.from(reply).toString())).toEqual(replies.map((_, i) => `${i}`));
  });

  test('time out when no reply comes, and a late reply is ignored', async () => {
    const [a, b] = [await readyBus(), await readyBus()];
    const pending: string[] = [];
    b.subscribe('test.silent', (_payload, _subject, reply) => void pending.push(reply ?? ''));
    await settled(b);
    await expect(a.request('test.silent', '', { timeoutMs: 50 })).rejects.toThrow(BusTimeoutError);
    await eventually('the request to have arrived', () => pending.length > 0);
    b.respond(pending[0] ?? '', 'late');
    await settled(b, a);
  });

  test('fail at once when the subject has no subscriber or the bus is not connected', async () => {
    const bus = await readyBus();
    await expect(bus.request('test.nobody', '', { timeoutMs: 5_000 })).rejects.toThrow(BusNoRespondersError);
    await nats.kill9();
    await eventually('noticed', () => !bus.connected);
    await expect(bus.request('test.nobody', '', { timeoutMs: 5_000 })).rejects.toThrow(BusDisconnectedError);
  });

  test('are bounded in number', async () => {
    const bus = await readyBus({ maxOutstandingRequests: 3 });
    bus.subscribe('test.silent', () => undefined);
    const waiting = Array.from({ length: 3 }, () => bus.request('test.silent', '', { timeoutMs: 200 }));
    await expect(bus.request('test.silent', '', { timeoutMs: 200 })).rejects.toThrow(BusOverloadedError);
    expect((await Promise.allSettled(waiting)).map((w) => w.status)).toEqual(['rejected', 'rejected', 'rejected']);
    await expect(bus.request('test.silent', '', { timeoutMs: 20 })).rejects.toThrow(BusTimeoutError);
  });

  test('end when the bus is drained', async () => {
    const bus = await readyBus();
    bus.subscribe('test.silent', () => undefined);
    const waiting = bus.request('test.silent', '', { timeoutMs: 60_000 });
    waiting.catch(() => undefined);
    await bus.drain();
    await expect(waiting).rejects.toThrow(BusTimeoutError);
  });
});

describe('when the server dies', () => {
  test('subscriptions and requests work again after kill -9 and a restart, three times', async () => {
    const [a, b] = [await readyBus(), await readyBus()];
    const seen = collect(b, 'test.k');
    b.subscribe('test.echo', (payload, _subject, reply) => b.respond(reply ?? '', payload));
    const ups: number[] = [];
    b.onReconnect(() => ups.push(1));
    for (let round = 1; round <= 3; round += 1) {
      await nats.kill9();
      await eventually('both noticed', () => !a.connected && !b.connected);
      await nats.restart();
      await eventually('both are back', () => a.connected && b.connected);
      await settled(b);
      a.publish('test.k', `${round}`);
      await eventually('the subscription lives', () => seen.length === round);
      expect(Buffer.from(await a.request('test.echo', 'x', { timeoutMs: 20_000 })).toString()).toBe('x');
      expect(ups).toHaveLength(round);
    }
  });

  test('a bus that is created before the server exists connects later, subscriptions included', async () => {
    await nats.kill9();
    const bus = newBus();
    const seen = collect(bus, 'test.early');
    expect(bus.publish('test.early', 'lost')).toBe(false);
    await expect(bus.ready(300)).rejects.toThrow('connecting to the bus');
    let announced = 0;
    bus.onReconnect(() => {
      announced += 1;
      bus.publish('test.early', 'announced');
    });
    await nats.restart();
    await bus.ready();
    await eventually('heard itself', () => seen.length === 1);
    expect(seen).toEqual(['announced']);
    expect(announced).toBe(1);
  });

  test('subscriptions made while disconnected work after the reconnect, and ended ones do not', async () => {
    const bus = await readyBus();
    let over = 0;
    const earlier = bus.subscribe('test.away', () => (over += 1));
    await nats.kill9();
    await eventually('noticed', () => !bus.connected);
    earlier.unsubscribe();
    bus.subscribe('test.away', () => (over += 1)).unsubscribe();
    const seen = collect(bus, 'test.away');
    await nats.restart();
    await eventually('back', () => bus.connected);
    bus.publish('test.away', 'heard');
    await settled(bus);
    expect(seen).toEqual(['heard']);
    expect(over).toBe(0);
  });

  test('publishing while disconnected throws nothing, buffers nothing and is counted', async () => {
    const bus = await readyBus();
    const seen = collect(bus, 'test.drop');
    await settled(bus);
    await nats.kill9();
    await eventually('noticed', () => !bus.connected);
    const before = await metric('hz_bus_dropped_total', { reason: 'disconnected' });
    collectGarbage();
    const memory = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 500; i += 1) expect(bus.publish('test.drop', Buffer.alloc(MAX_BUS_PAYLOAD))).toBe(false);
    await eventually('nothing of it is held', () => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers - memory < 10 * MAX_BUS_PAYLOAD;
    });
    expect((await metric('hz_bus_dropped_total', { reason: 'disconnected' })) - before).toBe(500);
    await nats.restart();
    await bus.ready();
    await settled(bus);
    expect(seen).toEqual([]);
  });

  test('a frozen server is detected within seconds, and the bytes buffered for it are bounded', async () => {
    const bus = await readyBus({ maxOutboundBytes: 4 * MAX_BUS_PAYLOAD });
    const payload = Buffer.alloc(MAX_BUS_PAYLOAD / 2);
    nats.freeze();
    const sent = Array.from({ length: 100 }, () => bus.publish('test.stall', payload)).filter(Boolean).length;
    expect(sent).toBeLessThanOrEqual(11);
    expect(sent).toBeGreaterThanOrEqual(8);
    // Only the pings of the client detect this within seconds; TCP would take minutes.
    await eventually('the half-open link is noticed', () => !bus.connected);
    nats.resume();
    await bus.ready();
    await eventually('it sends again', () => bus.publish('test.stall', payload));
  });

  test('draining without a server ends quickly and leaves no connection', async () => {
    const bus = await readyBus();
    await nats.kill9();
    await eventually('noticed', () => !bus.connected);
    // There is nothing to wait for, so the bound of one hour does not matter.
    await bus.drain(3_600_000);
    await nats.restart();
    const early = newBus({ url: 'nats://127.0.0.1:1' });
    await early.drain();
    expect(early.connected).toBe(false);
  });
});

test('draining sends what was published before', async () => {
  const [a, b] = [await readyBus(), await readyBus()];
  const seen = collect(b, 'test.last');
  await settled(b);
  for (let i = 0; i < 1_000; i += 1) a.publish('test.last', `${i}`);
  await a.drain();
  await eventually('all left', () => seen.length === 1_000);
});
