import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { Logger as NestLogger } from '@nestjs/common';
import { Nats, signToken } from '@huizhi/dev-env';
import { Bus, ControlClient, readConfig, silentLogger, type Logger } from '@huizhi/runtime';
import { gatewayConfig } from '../config.js';
import { Gateway } from '../gateway.js';
import { wireCodecs, TestClient, WebSocketTestClient, type Frame } from './client.js';
import { FakeMessage } from './fake-message.js';
import { FakeOffline } from './fake-offline.js';

// A service redirects Nest's log to its own. The fixture has none, so Nest would print a line per test.
NestLogger.overrideLogger(false);

export const SECRET = 'a-secret-for-tests-of-32-characters-or-more';

export type ModeClient = TestClient | WebSocketTestClient;
export type Mode = keyof typeof wireCodecs | 'WebSocket';

/** Records what a gateway logs. */
export class RecordedLog implements Logger {
  readonly lines: { event: string; fields: unknown }[] = [];
  readonly debug = (event: string, fields?: unknown): void => void this.lines.push({ event, fields });
  readonly info = this.debug;
  readonly warn = this.debug;
  readonly error = this.debug;

  count(event: string): number {
    return this.lines.filter((line) => line.event === event).length;
  }

  /** Close reasons of this user's sessions, in order. */
  closesOf(user: string): string[] {
    const closes = this.lines.filter(({ event }) => event === 'session.closed');
    const told = closes.map(({ fields }) => fields as { user: string; reason: string });
    return told.filter((close) => close.user === user).map(({ reason }) => reason);
  }
}

/** Options for starting the gateway of a fixture. */
export interface GatewayFixtureOptions {
  /** The certificate authority that clients trust; without it clients do not use TLS. */
  readonly ca?: string;
  /** The gateway's clock, for tests that advance it. */
  readonly now?: () => number;
}

/**
 * A gateway on a real bus. The message and offline services are fakes, so that tests can lose, delay and repeat
 * messages. A test file has one nats-server, and one gateway per test or for all tests.
 */
export class GatewayFixture {
  nats!: Nats;
  gateway!: Gateway;
  bus!: Bus;
  message!: FakeMessage;
  offline!: FakeOffline;
  log!: RecordedLog;
  private readonly clients: { destroy(): void }[] = [];
  private ca: string | undefined;
  private close = (): Promise<void> => Promise.resolve();

  private constructor(private readonly env: Record<string, string>) {}

  /** @param env variables for all tests of the fixture */
  static forEachTest(env: Record<string, string> = {}): GatewayFixture {
    const fixture = GatewayFixture.withNats(env);
    beforeEach(() => fixture.start());
    afterEach(() => fixture.stop());
    return fixture;
  }

  static forAllTests(env: Record<string, string> = {}): GatewayFixture {
    const fixture = GatewayFixture.withNats(env);
    beforeAll(() => fixture.start());
    return fixture;
  }

  private static withNats(env: Record<string, string>): GatewayFixture {
    const fixture = new GatewayFixture(env);
    let folder = '';
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'hz-gateway-'));
      fixture.nats = await Nats.start({ dataDir: folder });
    });
    afterAll(async () => {
      await fixture.stop();
      await fixture.nats.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    return fixture;
  }

  /** Replaces the gateway by one with these variables. Connected clients are closed. */
  async restart(env: Record<string, string> = {}, options: GatewayFixtureOptions = {}): Promise<void> {
    await this.stop();
    await this.start(env, options);
  }

  private async start(env: Record<string, string> = {}, { ca, now }: GatewayFixtureOptions = {}): Promise<void> {
    const url = this.nats.urlOf('gateway');
    const config = readConfig(gatewayConfig, {
      NODE_ENV: 'test',
      HZ_NATS_URL: url,
      HZ_HTTP_PORT: '0',
      HZ_GATEWAY_PORT: '0',
      HZ_TLS: 'off',
      HZ_JWT_SECRET: SECRET,
      HZ_DRAIN_SPREAD: '300ms',
      HZ_DRAIN_TIMEOUT: '2s',
      ...this.env,
      ...env,
    });
    const bus = Bus.connect({ url, name: config.HZ_INSTANCE_ID, log: silentLogger });
    const sides = Bus.connect({ url: this.nats.url(), name: `${config.HZ_INSTANCE_ID}-sides`, log: silentLogger });
    const control = new ControlClient(bus);
    await Promise.all([bus.ready(), sides.ready()]);
    this.ca = ca;
    this.bus = sides;
    this.message = new FakeMessage(sides);
    this.offline = new FakeOffline(sides);
    this.log = new RecordedLog();
    const gateway = new Gateway({ config, bus, control, log: this.log, ...(now && { now }) });
    this.gateway = gateway;
    this.close = async (): Promise<void> => {
      await gateway.stop();
      await Promise.all([bus.drain(), sides.drain()]);
    };
    await gateway.start();
  }

  private async stop(): Promise<void> {
    for (const client of this.clients.splice(0)) client.destroy();
    const { close } = this;
    this.close = (): Promise<void> => Promise.resolve();
    await close();
  }

  /** Destroys the client before the gateway stops; the gateway would otherwise wait for it. */
  owns<Client extends { destroy(): void }>(client: Client): Client {
    this.clients.push(client);
    return client;
  }

  async connect(from?: string): Promise<TestClient> {
    return this.owns(await TestClient.connect(this.gateway.port, this.ca, from));
  }

  /** Connects in one of the modes. */
  async connectAs(mode: Mode): Promise<ModeClient> {
    const { port } = this.gateway;
    return this.owns(
      mode === 'WebSocket'
        ? await WebSocketTestClient.connect(port, { ...(this.ca && { ca: this.ca }) })
        : await TestClient.connect(port, this.ca, undefined, wireCodecs[mode]),
    );
  }

  /** Connects and logs in. */
  async login(user: string, more: Frame = {}): Promise<TestClient> {
    return this.loginOn(await this.connect(), user, more);
  }

  async loginOn<Client extends ModeClient>(client: Client, user: string, more: Frame = {}): Promise<Client> {
    const token = await signToken(SECRET, user);
    client.send({ messageType: 'login', fromUserID: user, versionCode: 2, deviceID: 'phone', token, ...more });
    await client.frame({ messageType: 'loginReceipt', code: 0 });
    return client;
  }
}
