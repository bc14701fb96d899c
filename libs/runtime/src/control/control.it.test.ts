import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Controller, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Nats, TcpProxy, eventually } from '@huizhi/dev-env';
import { ProtocolError } from '@huizhi/protocol';
import { Bus } from '../bus/bus.js';
import { deferred, type Deferred } from '../deferred.js';
import { Health } from '../health/health.js';
import { silentLogger } from '../log/logger.js';
import { RecordingLog } from '@huizhi/testing';
import { ControlClient } from './control-client.js';
import { ControlServer, type ControlServerOptions } from './control-server.js';
import { handling } from './handles-command.js';

const COMMANDS = ['double', 'refuse', 'break', 'heavy', 'wait'].map((name) => `test.${name}`);

/** The calls of the handlers in this test. */
const calls: string[] = [];
let released: Deferred<void>;

@Controller()
class ThingsController {
  @handling('test.double')
  double(data: { n: number }): { n: number } {
    calls.push('double');
    return { n: data.n * 2 };
  }

  @handling('test.refuse')
  refuse(): never {
    calls.push('refuse');
    throw new ProtocolError('notAllowed', 'they are not friends');
  }

  @handling('test.break')
  async break(): Promise<never> {
    calls.push('break');
    throw new TypeError('a secret detail');
  }

  @handling('test.heavy')
  async heavy(data: { ballast: string }): Promise<string> {
    calls.push('heavy');
    await released.promise;
    return data.ballast;
  }

  @handling('test.wait')
  async wait(data: string): Promise<string> {
    calls.push(data);
    await released.promise;
    return data;
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

/** One process that answers commands. */
interface Instance {
  app: INestApplication;
  bus: Bus;
  health: Health;
  server: ControlServer;
  log: RecordingLog;
}

let folder: string;
let nats: Nats;
let bus: Bus;
let client: ControlClient;
const instances: Instance[] = [];

async function instance(
  name: string,
  options: Partial<ControlServerOptions> = {},
  url = nats.url(),
): Promise<Instance> {
  const app = await NestFactory.create(ThingsModule, { logger: false, abortOnError: false });
  const bus = Bus.connect({ url, name, log: silentLogger });
  const health = new Health();
  const log = new RecordingLog();
  const server = new ControlServer({ bus, health, log, queue: 'things', commands: COMMANDS, ...options });
  app.connectMicroservice({ strategy: server });
  await app.init();
  await app.startAllMicroservices();
  await bus.ready();
  health.open();
  await synchronized(bus);
  const made = { app, bus, health, server, log };
  instances.push(made);
  return made;
}

/** The server's no-responders answer comes after it has processed all earlier subscriptions of this connection. */
const synchronized = (bus: Bus): Promise<unknown> =>
  bus.request('test.nothing', '', { timeoutMs: 30_000 }).catch(() => undefined);

const once = { attempts: 1 };
const double = (through = client): Promise<{ n: number }> => through.send('test.double', { n: 21 }, once);
const answers = (through = client): Promise<boolean> =>
  through.send('test.double', { n: 1 }, { timeoutMs: 500, attempts: 1 }).then(Boolean, () => false);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-control-'));
  nats = await Nats.start({ dataDir: folder });
  bus = Bus.connect({ url: nats.url(), name: 'asker', log: silentLogger });
  await bus.ready();
  client = new ControlClient(bus);
});
afterEach(async () => {
  released?.resolve();
  for (const { app, bus } of instances.splice(0)) {
    await app.close();
    await bus.drain();
  }
  calls.splice(0);
});
afterAll(async () => {
  await bus.drain();
  await nats.stop();
  rmSync(folder, { recursive: true });
});

test('a command is answered', async () => {
  await instance('one');
  expect(await double()).toEqual({ n: 42 });
});

test('a protocol error of a handler keeps its name and is final', async () => {
  await instance('one');
  const error = { name: 'ControlError', code: 'notAllowed', message: 'test.refuse: they are not friends' };
  await expect(client.send('test.refuse', {})).rejects.toMatchObject(error);
  expect(calls).toEqual(['refuse']);
});

test('any other error of a handler is answered "unavailable" without its text, and logged once per interval', async () => {
  const { log } = await instance('one');
  for (let n = 0; n < 20; n++) {
    const outcome = client.send('test.break', {}, once);
    await expect(outcome).rejects.toMatchObject({ code: 'unavailable' });
    await expect(outcome).rejects.not.toThrow('secret');
  }
  expect(log.lines.filter(({ level }) => level !== 'debug')).toMatchObject([
    { event: 'control.failed', fields: { command: 'test.break' } },
  ]);
});

test('"unavailable" is repeated as often as the caller allows', async () => {
  await instance('one');
  await expect(client.send('test.break', {}, { attempts: 3 })).rejects.toMatchObject({ code: 'unavailable' });
  expect(calls).toEqual(['break', 'break', 'break']);
});

test('a request that is not JSON is answered with badField', async () => {
  await instance('one');
  for (const payload of ['', '{', '[]', 'null', '{"id":7}']) {
    const answer = await bus.request('test.double', payload, { timeoutMs: 10_000 });
    expect(JSON.parse(Buffer.from(answer).toString())).toMatchObject({ err: { code: 'badField' } });
  }
  expect(calls).toEqual([]);
});

test('a request whose handler does not end is answered "unavailable" after the time limit', async () => {
  released = deferred();
  await instance('one', { timeoutMs: 100 });
  const patience = { timeoutMs: 30_000, attempts: 1 };
  await expect(client.send('test.wait', 'a', patience)).rejects.toMatchObject({ code: 'unavailable' });
});

test('a caller without an answer gets "timeout" after its last attempt', async () => {
  released = deferred();
  await instance('one');
  await expect(client.send('test.wait', 'a', { timeoutMs: 100 })).rejects.toMatchObject({ code: 'timeout' });
  // The second attempt may time out before its request has arrived.
  await eventually('both calls', () => calls.length === 2);
});

test('requests above the limit are refused at once, also while timed-out ones are still in progress', async () => {
  released = deferred();
  await instance('one', { maxUnderWay: 2, timeoutMs: 200 });
  const patience = { timeoutMs: 30_000, attempts: 1 };
  const first = ['a', 'b'].map((name) => client.send('test.wait', name, patience).catch(() => undefined));
  await eventually('two under way', () => calls.length === 2);
  await expect(double()).rejects.toMatchObject({ code: 'unavailable' });
  await Promise.all(first);
  await expect(double()).rejects.toMatchObject({ code: 'unavailable' });
  expect(calls).toEqual(['a', 'b']);
  released.resolve();
  await eventually('room again', () => answers());
});

test('a command without a ready instance is "unavailable" at once', async () => {
  const patience = { timeoutMs: 3_600_000 };
  await expect(client.send('test.double', {}, patience)).rejects.toMatchObject({ code: 'unavailable' });
});

test('an instance gets no request while it is not ready, and gets requests again afterwards', async () => {
  const first = await instance('first');
  await instance('second');
  let database = 'ok';
  first.health.addReadinessCheck('database', () => database);
  let served = 0;
  const respond = first.bus.respond.bind(first.bus);
  first.bus.respond = (...answer) => {
    served += 1;
    return respond(...answer);
  };
  await eventually('the first to serve', async () => (await answers()) && served > 0);
  database = 'not connected';
  expect(first.health.isReady).toBe(false);
  await synchronized(first.bus);
  const before = served;
  for (let n = 0; n < 50; n++) expect(await double()).toEqual({ n: 42 });
  expect(served).toBe(before);
  database = 'ok';
  await eventually('the first to serve again', async () => (await answers()) && served > before);
});

test('an instance that stops answers the requests in progress and accepts no new ones', async () => {
  released = deferred();
  const first = await instance('first');
  const waiting = client.send('test.wait', 'a', { timeoutMs: 30_000, attempts: 1 });
  await eventually('the request to be under way', () => calls.length === 1);
  const closed = first.server.close();
  await eventually('nothing new to be taken', () => answers().then((answered) => !answered));
  released.resolve();
  await closed;
  expect(await waiting).toBe('a');
});

test('a server refuses to start unless each declared command has exactly one handler', async () => {
  const { server } = await instance('one');
  expect(() => server.assertComplete()).not.toThrow();
  const lacking = await instance('two', { commands: [...COMMANDS, 'test.missing'] });
  expect(() => lacking.server.assertComplete()).toThrow('command "test.missing" has no handler');
  server.addHandler('test.double', () => Promise.resolve(1 as never));
  expect(() => server.assertComplete()).toThrow('command "test.double" has 2 handlers');
});

test('client and server answer again after kill -9 of the NATS server', async () => {
  await instance('one');
  await nats.kill9();
  await expect(double()).rejects.toMatchObject({ name: 'ControlError' });
  await nats.restart();
  await eventually('an answer', () => answers());
});

test('requests on a stalled connection fail in bounded time, and both sides reconnect', async () => {
  released = deferred();
  const target = { host: nats.host, port: nats.port };
  const [proxy, clientProxy] = await Promise.all([TcpProxy.start({ target }), TcpProxy.start({ target })]);
  await instance('one', {}, nats.url(proxy));
  const bus = Bus.connect({ url: nats.url(clientProxy), name: 'stalled', log: silentLogger });
  await bus.ready();
  const stalled = new ControlClient(bus);
  const ballast = 'x'.repeat(900_000);
  const heavy = (): Promise<string> => stalled.send('test.heavy', { ballast }, { timeoutMs: 1_000, attempts: 1 });
  const before = Array.from({ length: 20 }, () => heavy().catch(() => undefined));
  await eventually('the server to be at work', () => calls.length === 20);
  // Both now have more to write than the kernel buffers, and their sockets never accept it.
  proxy.stall();
  clientProxy.stall();
  released.resolve();
  const during = Array.from({ length: 20 }, () => heavy());
  for (const request of during) await expect(request).rejects.toMatchObject({ name: 'ControlError' });
  await Promise.all(before);
  await eventually('an answer over another link', () => answers(stalled));
  await bus.drain();
  await Promise.all([proxy.stop(), clientProxy.stop()]);
});
