import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Nats, signToken } from '@huizhi/constellation';
import { Bus, ControlClient, readConfig, silentLogger, type Logger } from '@huizhi/runtime';
import { gatewayConfig } from '../config.js';
import { Gateway } from '../gateway.js';
import { speeches, TestClient, WebSocketTestClient, type Frame } from './client.js';
import { MessageSide } from './message-side.js';
import { OfflineSide } from './offline-side.js';

export const SECRET = 'a-secret-for-tests-of-32-characters-or-more';

export type ModeClient = TestClient | WebSocketTestClient;
export type Mode = keyof typeof speeches | 'WebSocket';

/** A nats-server for a test file. */
export class BusServer {
  private constructor(
    readonly nats: Nats,
    private readonly folder: string,
  ) {}

  static async start(): Promise<BusServer> {
    const folder = mkdtempSync(join(tmpdir(), 'hz-gateway-'));
    return new BusServer(await Nats.start({ dataDir: folder }), folder);
  }

  async stop(): Promise<void> {
    await this.nats.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a gateway logged. */
export class RecordedLog implements Logger {
  readonly lines: { event: string; fields: unknown }[] = [];
  readonly debug = (event: string, fields?: unknown): void => void this.lines.push({ event, fields });
  readonly info = this.debug;
  readonly warn = this.debug;
  readonly error = this.debug;

  count(event: string): number {
    return this.lines.filter((line) => line.event === event).length;
  }
}

/** A gateway on a real bus; the services behind it are played by the test, so that it can lose, hold and repeat. */
export class Rig {
  private readonly clients: { destroy(): void }[] = [];

  private constructor(
    readonly gateway: Gateway,
    readonly bus: Bus,
    readonly message: MessageSide,
    readonly offline: OfflineSide,
    readonly log: RecordedLog,
    private readonly close: () => Promise<void>,
    private readonly ca: string | undefined,
  ) {}

  /** @param now the gateway's clock, where a test turns it */
  static async start(
    server: BusServer,
    env: Record<string, string> = {},
    ca?: string,
    now?: () => number,
  ): Promise<Rig> {
    const url = server.nats.url();
    const config = readConfig(gatewayConfig, {
      NODE_ENV: 'test',
      NATS_URL: url,
      HTTP_PORT: '0',
      GATEWAY_PORT: '0',
      TLS: 'off',
      JWT_SECRET: SECRET,
      DRAIN_SPREAD: '300ms',
      DRAIN_TIMEOUT: '2s',
      ...env,
    });
    const bus = Bus.connect({ url, name: config.INSTANCE_ID, log: silentLogger });
    const sides = Bus.connect({ url, name: `${config.INSTANCE_ID}-sides`, log: silentLogger });
    const control = new ControlClient(url, config.INSTANCE_ID);
    await Promise.all([bus.ready(), sides.ready()]);
    const message = new MessageSide(sides);
    const offline = new OfflineSide(sides);
    const log = new RecordedLog();
    const gateway = new Gateway({ config, bus, control, log, ...(now && { now }) });
    await gateway.start();
    const close = async (): Promise<void> => {
      await gateway.stop();
      await control.close();
      await Promise.all([bus.drain(), sides.drain()]);
    };
    return new Rig(gateway, sides, message, offline, log, close, ca);
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.destroy();
    await this.close();
  }

  async connect(from?: string): Promise<TestClient> {
    const client = await TestClient.connect(this.gateway.port, this.ca, from);
    this.clients.push(client);
    return client;
  }

  /** In one of the modes of the wire. */
  async connectAs(mode: Mode): Promise<ModeClient> {
    const { port } = this.gateway;
    const client =
      mode === 'WebSocket'
        ? await WebSocketTestClient.connect(port, { ...(this.ca && { ca: this.ca }) })
        : await TestClient.connect(port, this.ca, undefined, speeches[mode]);
    this.clients.push(client);
    return client;
  }

  /** Connected and logged in. */
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
