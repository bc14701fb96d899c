import {
  HistoryChecker,
  HuizhiClient,
  readHistory,
  nodeTransport,
  type LogLine,
  type Observed,
  type Stated,
  type Transport,
} from '@huizhi/client';
import type { GatewayAddress } from '@huizhi/constellation';
import { expect } from '@jest/globals';
import { eventually } from './eventually.js';
import type { World } from './world.js';

export interface CrowdOptions {
  size: number;
  word: string;
  /** Numbers of the gateways, or proxies before them, that it uses in turn. */
  gateways: readonly number[];
  /** Milliseconds, of the SDK's back-off. */
  reconnectMs?: { baseMs: number; maxMs: number };
}

/**
 * SDK devices in a ring, each writing to the next. All that they see goes to the history checker; a device whose connection ended
 * tries the next gateway.
 */
export class Crowd {
  readonly members: Member[];
  private next = 0;
  private timer: NodeJS.Timeout | undefined;

  private constructor(members: Member[]) {
    this.members = members;
  }

  static async of(world: World, options: CrowdOptions): Promise<Crowd> {
    const { size, word, gateways, reconnectMs = { baseMs: 200, maxMs: 2_000 } } = options;
    const addresses = gateways.map((gateway) => world.system.addressOf(gateway));
    const members = Array.from(
      { length: size },
      (_, n) => new Member(world, world.name(word), addresses, n, reconnectMs),
    );
    const crowd = new Crowd(members);
    // A user exists from its first login on.
    await Promise.all(members.map(({ client }) => client.connect()));
    return crowd;
  }

  get online(): number {
    return this.members.filter(({ client }) => client.state === 'online').length;
  }

  /** Each sends so many to the next, now. */
  say(count: number): void {
    for (const [n, member] of this.members.entries()) for (let i = 0; i < count; i++) member.say(this.after(n));
  }

  /** A steady flow, one after the other in turn. */
  start(perSecond: number): void {
    const everyMs = 20;
    const perTick = (perSecond * everyMs) / 1_000;
    let owed = 0;
    this.timer = setInterval(() => {
      for (owed += perTick; owed >= 1; owed -= 1) {
        const n = this.next++ % this.members.length;
        this.members[n]!.say(this.after(n));
      }
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Every member's next message is receipted. */
  async works(withinMs = 20_000): Promise<void> {
    const goals = this.members.map((member, n) => member.say(this.after(n)));
    await eventually(
      'a receipt for everybody',
      () => (this.members.every((member, n) => member.receipted.has(goals[n]!)) ? true : undefined),
      withinMs,
    );
  }

  /** All is receipted and delivered; nothing was lost, doubled, reordered, or came to anybody else. Ends the crowd. */
  async verdict(): Promise<void> {
    this.stop();
    await eventually(
      'everything to be receipted',
      () => (this.members.every((member) => member.receipted.size === member.said.length) ? true : undefined),
      60_000,
    );
    await eventually(
      'everything to be delivered',
      () =>
        this.members.every((member, n) => this.members[(n + 1) % this.members.length]!.got.size >= member.said.length)
          ? true
          : undefined,
      30_000,
    );
    const checker = new HistoryChecker();
    for (const [n, member] of this.members.entries()) {
      member.state(await readHistory(member.client, { user: this.after(n) }), { ev: 'quiet' });
    }
    for (const { lines } of this.members) for (const line of lines) checker.add(line);
    const { violations, counts } = checker.finish();
    expect(violations).toEqual([]);
    const said = this.members.reduce((sum, member) => sum + member.said.length, 0);
    expect(counts).toMatchObject({ devices: this.members.length, sends: said, stored: said });
    await this.close();
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.members.map(({ client }) => client.close()));
  }

  private after(n: number): string {
    return this.members[(n + 1) % this.members.length]!.user;
  }
}

export class Member {
  readonly client: HuizhiClient;
  readonly lines: LogLine[] = [];
  /** Client ids. */
  readonly said: string[] = [];
  readonly receipted = new Set<string>();
  /** Message ids. */
  readonly got = new Set<string>();
  /** When each login succeeded, and the names of the closes between them. */
  readonly logins: number[] = [];
  readonly closes: string[] = [];

  constructor(
    world: World,
    readonly user: string,
    addresses: readonly GatewayAddress[],
    first: number,
    reconnect: { baseMs: number; maxMs: number },
  ) {
    const token = world.system.token(user);
    this.client = new HuizhiClient({
      address: addresses[0]!,
      transport: inTurn(addresses, first),
      user,
      deviceID: 'phone',
      token: () => token,
      observer: (event) => this.observe(event),
      timings: { reconnect, resend: { baseMs: 200, maxMs: 2_000 }, stableMs: 1_000 },
    });
    this.client.on('closed', (_, name) => this.closes.push(name));
  }

  /** Returns the client id. */
  say(to: string): string {
    const clientMsgID = `${this.user}-${this.said.length}`;
    this.said.push(clientMsgID);
    this.client.sendText({ user: to }, `${clientMsgID} to ${to}`, { clientMsgID }).receipt.catch(() => undefined);
    return clientMsgID;
  }

  state(...stated: Stated[]): void {
    for (const event of stated) this.lines.push({ user: this.user, device: 'phone', t: Date.now(), ...event });
  }

  private observe(event: Observed): void {
    this.lines.push({ user: this.user, device: 'phone', t: Date.now(), ...event });
    if (event.ev === 'ok') this.receipted.add(event.clientMsgID);
    if (event.ev === 'received') this.got.add(event.messageID);
    if (event.ev === 'connected') this.logins.push(performance.now());
  }
}

/** Another address at each connection: what a client with a list of gateways does. */
function inTurn(addresses: readonly GatewayAddress[], first: number): Transport {
  const transports = addresses.map(({ host, port, ca }) => nodeTransport({ host, port, ca }));
  let next = first;
  return (handlers) => transports[next++ % transports.length]!(handlers);
}
