import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Controller, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, RpcException } from '@nestjs/microservices';
import { Nats, TcpProxy, eventually } from '@huizhi/constellation';
import { deferred } from '../deferred.js';
import { ControlClient } from './control-client.js';
import { connectControl } from './control-server.js';

const calls: string[] = [];
/** Lets `test.heavy` answer. */
const released = deferred();

@Controller()
class ThingsController {
  @MessagePattern('test.double')
  double(data: { n: number }): { n: number } {
    calls.push('double');
    return { n: data.n * 2 };
  }

  @MessagePattern('test.refuse')
  refuse(): never {
    calls.push('refuse');
    throw new RpcException({ code: 'not_friends', message: 'they are strangers' });
  }

  @MessagePattern('test.break')
  break(): never {
    calls.push('break');
    throw new Error('a secret detail');
  }

  @MessagePattern('test.heavy')
  async heavy(data: { ballast: string }): Promise<string> {
    calls.push('heavy');
    await released.promise;
    return data.ballast;
  }

  @MessagePattern('test.slow')
  async slow(): Promise<string> {
    calls.push('slow');
    return new Promise(() => undefined);
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

let folder: string;
let nats: Nats;
let proxy: TcpProxy;
let app: INestApplication;
let client: ControlClient;
const stopping = new AbortController();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-control-'));
  nats = await Nats.start({ dataDir: folder });
  app = await NestFactory.create(ThingsModule, { logger: false, abortOnError: false });
  proxy = await TcpProxy.start({ target: { host: nats.host, port: nats.port } });
  connectControl(app, nats.url(proxy), 'things', stopping.signal);
  await app.init();
  await app.startAllMicroservices();
  client = new ControlClient(nats.url(), 'test');
});
afterEach(() => void calls.splice(0));
afterAll(async () => {
  await client.close();
  await app.close();
  await proxy.stop();
  await nats.stop();
  rmSync(folder, { recursive: true });
});

test('a command is answered', async () => {
  expect(await client.request<{ n: number }>('test.double', { n: 21 })).toEqual({ n: 42 });
});

test('an answered error keeps its code and is not tried again', async () => {
  await expect(client.request('test.refuse', {})).rejects.toMatchObject({ code: 'not_friends' });
  expect(calls).toEqual(['refuse']);
});

test('an unexpected exception is "internal" and tells nothing', async () => {
  await expect(client.request('test.break', {})).rejects.toMatchObject({ code: 'internal' });
  await expect(client.request('test.break', {})).rejects.not.toThrow('secret');
});

test('no answer in time: tried again, then "timeout"', async () => {
  await expect(client.request('test.slow', {}, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'timeout' });
  // The second may be given up before it has arrived.
  await eventually('both calls', () => calls.length === 2);
  expect(calls).toEqual(['slow', 'slow']);
});

test('nobody there is "unavailable", at once', async () => {
  const patience = { timeoutMs: 3_600_000 };
  await expect(client.request('test.nobody', {}, patience)).rejects.toMatchObject({ code: 'unavailable' });
});

test('both sides come back after kill -9 of the server', async () => {
  await nats.kill9();
  await expect(client.request('test.double', { n: 1 }, { timeoutMs: 300 })).rejects.toMatchObject({
    name: 'ControlError',
  });
  await nats.restart();
  const works = (): Promise<boolean> =>
    client.request('test.double', { n: 1 }, { timeoutMs: 2_000, attempts: 1 }).then(
      () => true,
      () => false,
    );
  await eventually('answered again', works);
});

test('a link on which nothing moves: requests fail in bounded time, and both sides come back on another link', async () => {
  const ballast = 'x'.repeat(900_000);
  const clientProxy = await TcpProxy.start({ target: { host: nats.host, port: nats.port } });
  const client = new ControlClient(nats.url(clientProxy), 'stalled');
  const heavy = (): Promise<string> => client.request('test.heavy', { ballast }, { timeoutMs: 1_000, attempts: 1 });
  const before = Array.from({ length: 20 }, () => heavy().catch(() => undefined));
  await eventually('the server to be at work', () => calls.length === 20);
  // Now both have far more to write than any kernel takes, and their sockets never take it.
  proxy.stall();
  clientProxy.stall();
  released.resolve();
  const during = Array.from({ length: 20 }, () => heavy());
  for (const request of during) await expect(request).rejects.toMatchObject({ code: 'timeout' });
  await Promise.all(before);
  const works = (): Promise<boolean> =>
    client.request('test.double', { n: 21 }, { timeoutMs: 2_000, attempts: 1 }).then(Boolean, () => false);
  await eventually('an answer over another link', works);
  await client.close();
  await clientProxy.stop();
});

test('a client made without a server works once there is one', async () => {
  await nats.kill9();
  const early = new ControlClient(nats.url(), 'early');
  await expect(early.request('test.double', { n: 1 }, { attempts: 1 })).rejects.toMatchObject({ code: 'unavailable' });
  await nats.restart();
  await eventually('answered', () => early.request('test.double', { n: 1 }).then(Boolean, () => false));
  await early.close();
});
