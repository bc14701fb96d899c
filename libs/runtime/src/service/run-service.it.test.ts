import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Nats, eventually } from '@huizhi/dev-env';
import { natsServers } from '../bus/nats-url.js';
import { environment } from '../config/environment.js';
import { Compiled } from '../testing/compiled.js';

const PROGRAM = `
import { commonVariables, declareFailpoints, defineConfig, failpoint, runService, Bus, Shutdown, ControlError } from '@huizhi/runtime';
declareFailpoints('thing.before', 'thing.async');
class Thing {}
const mode = process.argv[2];
await runService({
  // The control plane declares a command for message; this program has no handler for it.
  name: mode === 'unhandled' ? 'message' : 'thing',
  // A short bound for the modes in which the shutdown must exceed it.
  shutdownBoundMs: mode.startsWith('stuck') ? 1_000 : 30_000,
  config: defineConfig(commonVariables('thing')),
  module: ({ bus, shutdown, log }) => {
    bus.subscribe('test.thing', (_payload, _subject, reply) => { failpoint('thing.before'); bus.respond(reply, 'done'); });
    for (const phase of ['database', 'work', 'edge']) shutdown.on(phase, phase, () => log.info('phase', { phase, up: bus.connected }));
    if (mode === 'stuck-hook') shutdown.on('work', 'stuck', () => new Promise(() => {}));
    if (mode === 'stuck-timer') setInterval(() => {}, 1_000);
    if (mode === 'reject') setTimeout(() => Promise.reject(new Error('forgotten')), 50);
    if (mode === 'throw') throw new Error('wiring failed');
    return Thing;
  },
});
`;

let folder: string;
let nats: Nats;
let compiled: Compiled;
let program: string;
const running: Thing[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-service-'));
  [nats, compiled] = await Promise.all([Nats.start({ dataDir: folder }), Compiled.create(['runtime', 'protocol'])]);
  program = await compiled.program('thing.js', PROGRAM);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((thing) => thing.kill()));
});
afterAll(async () => {
  await compiled.remove();
  await nats.stop();
  rmSync(folder, { recursive: true });
});

describe('a service', () => {
  test('is alive and ready, serves metrics, and ends with code 0 after its phases in order', async () => {
    const thing = await started();
    await eventually('ready', async () => (await thing.get('readyz')).status === 200);
    expect(await (await thing.get('livez')).json()).toEqual({ status: 'alive' });
    expect(await (await thing.get('readyz')).json()).toMatchObject({
      status: 'ready',
      dependencies: { bus: { ok: true } },
    });
    const metrics = await (await thing.get('metrics')).text();
    expect(metrics).toContain('process_cpu_seconds_total');
    expect(metrics).toContain('hz_bus_connections_total 1');

    expect(await thing.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    const phases = thing.lines().filter((line) => line['event'] === 'phase');
    expect(phases.map(({ phase, up }) => [phase, up])).toEqual([
      ['edge', true],
      ['work', true],
      ['database', false],
    ]);
  });

  test('is not ready while the bus is away, becomes ready when it is there, and can also end without it', async () => {
    await nats.kill9();
    const [waiting, ending] = await Promise.all([started(), started()]);
    const answer = await waiting.get('readyz');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ status: 'not-ready', dependencies: { bus: { ok: false } } });
    expect(await ending.stop('SIGINT')).toEqual({ code: 0, signal: null });
    await nats.restart();
    await eventually('ready', async () => (await waiting.get('readyz')).status === 200);
    expect(await waiting.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  test('exits with code 1 at the bound and names a hook that hangs', async () => {
    const thing = await started({ mode: 'stuck-hook' });
    expect(await thing.stop('SIGTERM')).toEqual({ code: 1, signal: null });
    expect(thing.lines().at(-1)).toMatchObject({ event: 'service.stop-overdue', hanging: ['work:stuck'] });
  });

  test('ends at once after a second signal', async () => {
    const thing = await started({ mode: 'stuck-hook' });
    const over = thing.stop('SIGTERM');
    await eventually('stopping', () => thing.lines().some((line) => line['event'] === 'service.stopping'));
    void thing.stop('SIGTERM');
    expect(await over).toEqual({ code: 1, signal: null });
    expect(thing.lines().at(-1)).toMatchObject({ event: 'service.stop-cut-short', signal: 'SIGTERM' });
  });

  test('exits with code 1 at the bound and names a forgotten timer', async () => {
    const thing = await started({ mode: 'stuck-timer' });
    expect(await thing.stop('SIGTERM')).toEqual({ code: 1, signal: null });
    expect(thing.lines().at(-1)).toMatchObject({
      event: 'service.stop-overdue',
      hanging: expect.arrayContaining(['Timeout']),
    });
  });

  test('exits with code 1 after an unhandled rejection', async () => {
    const thing = await started({ mode: 'reject' });
    expect(await thing.exit()).toEqual({ code: 1, signal: null });
    expect(thing.lines().at(-1)).toMatchObject({
      event: 'process.unhandled-rejection',
      error: { message: 'forgotten' },
    });
  });

  test.each([
    ['a wrong variable', { HZ_HTTP_PORT: 'x' }, 'HZ_HTTP_PORT: must be an integer'],
    [
      'a key of NATS that is not there',
      { HZ_NATS_URL: 'nats://h', HZ_NATS_NKEY_FILE: '/none' },
      'HZ_NATS_NKEY_FILE: cannot be used',
    ],
    ['an unknown failpoint', { HZ_FAILPOINTS: 'thing.typo=error' }, 'HZ_FAILPOINTS: unknown failpoint thing.typo'],
    [
      'failpoints in production',
      { HZ_FAILPOINTS: 'thing.before=error', NODE_ENV: 'production' },
      'HZ_FAILPOINTS: must be empty',
    ],
    ['a failing module', { mode: 'throw' }, 'wiring failed'],
    ['a declared command that nothing handles', { mode: 'unhandled' }, 'command "message.users.ensure" has no handler'],
  ])('does not start with %s, and prints the reason', async (_what, change, message) => {
    const thing = new Thing(change);
    expect(await thing.exit()).toEqual({ code: 1, signal: null });
    expect(thing.errors).toContain(message);
  });
});

describe('failpoints of a running service', () => {
  test('count hits, and crash the service at the hit that they name', async () => {
    const thing = await started();
    await eventually('ready', async () => (await thing.get('readyz')).status === 200);
    expect((await thing.arm('thing.before=crash@1')).status).toBe(200);
    expect(await (await thing.get('failpoints')).json()).toContainEqual({
      name: 'thing.before',
      hits: 0,
      fired: 0,
      armed: 'thing.before=crashx1',
    });
    await publish('test.thing');
    expect(await thing.exit()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('refuse an unknown name', async () => {
    const thing = await started();
    const answer = await thing.arm('thing.typo=crash');
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('thing.before');
  });

  test('do not exist in production', async () => {
    const thing = await started({ NODE_ENV: 'production' });
    expect((await thing.get('failpoints')).status).toBe(404);
    expect((await thing.arm('thing.before=crash')).status).toBe(404);
  });
});

async function publish(subject: string): Promise<void> {
  const { connect } = await import('@nats-io/transport-node');
  const client = await connect(natsServers({ url: nats.url() }));
  client.publish(subject, '', { reply: 'test.nobody' });
  await client.drain();
}

async function started(change: Record<string, string> = {}): Promise<Thing> {
  const thing = new Thing(change);
  await eventually('listens', () => thing.url() !== undefined || thing.ended);
  return thing;
}

/** One process that runs the program above. */
class Thing {
  errors = '';
  private output = '';
  private readonly child: ChildProcess;
  private readonly over: Promise<unknown[]>;

  constructor({ mode = '', ...env }: Record<string, string>) {
    this.child = spawn(process.execPath, [program, mode], {
      env: { ...environment(), NODE_ENV: 'test', HZ_NATS_URL: nats.url(), HZ_HTTP_PORT: '0', ...env },
    });
    this.child.stdout?.on('data', (data) => (this.output += String(data)));
    this.child.stderr?.on('data', (data) => (this.errors += String(data)));
    this.over = once(this.child, 'close');
    running.push(this);
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  lines(): Record<string, unknown>[] {
    const complete = this.output.slice(0, this.output.lastIndexOf('\n') + 1);
    return complete.split('\n').flatMap((line) => (line ? [JSON.parse(line) as Record<string, unknown>] : []));
  }

  url(): string | undefined {
    return this.lines().find((line) => line['event'] === 'service.started')?.['http'] as string | undefined;
  }

  get(path: string): Promise<Response> {
    return fetch(`${this.url()}/${path}`);
  }

  arm(text: string): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return fetch(`${this.url()}/failpoints`, { method: 'POST', headers, body: JSON.stringify({ arm: text }) });
  }

  stop(signal: NodeJS.Signals): Promise<{ code: unknown; signal: unknown }> {
    this.child.kill(signal);
    return this.exit();
  }

  async exit(): Promise<{ code: unknown; signal: unknown }> {
    const [code, signal] = await this.over;
    return { code, signal };
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.over;
  }
}
