import {
  decodeLines,
  inboxLaneOf,
  subjects,
  type FetchReply,
  type FetchRequest,
  type GatewayBatch,
  type OpenReply,
  type OpenRequest,
} from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';

/** An entry that a session got. */
export interface Told {
  session: number;
  seq: number;
  body: string | undefined;
}
export interface FakeSession {
  session: number;
  user: string;
  device: string;
  epoch: number;
  cursor: number;
  head: number;
  generation: string;
}

/** A gateway as the offline service sees it: it uses only the messages of the bus protocol. */
export class FakeGateway {
  readonly batches: GatewayBatch[] = [];
  readonly told: Told[] = [];
  readonly confirmed = new Map<number, number>();
  readonly kicked: number[] = [];
  readonly revoked: number[] = [];
  readonly attached = new Map<number, { cursor: number; head: number }>();
  private sessions = 0;

  constructor(
    private readonly bus: Bus,
    readonly name: string,
    private readonly lanes: number,
  ) {
    bus.subscribe(subjects.gateway(name), (payload) => this.hear(payload));
  }

  /** Logs in, repeating the request until the lane's owner answers. @throws Error with the name of a final refusal */
  async open(
    user: string,
    device = 'phone',
    session = ++this.sessions,
    more: Partial<OpenRequest> = {},
  ): Promise<FakeSession> {
    const about = { user, device, deviceType: 'test', version: 2 };
    const request: OpenRequest = { gateway: this.name, session, ...about, login: session, age: 0, ...more };
    for (let attempt = 0; attempt < 50; attempt++) {
      const payload = await this.bus
        .request(subjects.open(this.lane(user)), JSON.stringify(request), { timeoutMs: 2_000 })
        .catch(() => undefined);
      if (!payload) continue;
      const reply = JSON.parse(new TextDecoder().decode(payload)) as OpenReply;
      if (!reply.error) return { session, user, device, ...reply };
      if (reply.overtaken) throw new Error('overtaken');
      if (reply.error !== 'unavailable') throw new Error(reply.error);
    }
    throw new Error(`no owner opened a session of ${user}`);
  }

  attach(...sessions: Pick<FakeSession, 'session' | 'user' | 'device' | 'epoch'>[]): void {
    this.say('attach', sessions, (group) => ({ gateway: this.name, sessions: group }));
  }

  close(...sessions: FakeSession[]): void {
    this.say('close', sessions, (group) => ({ gateway: this.name, sessions: group }));
  }

  cursor(session: Pick<FakeSession, 'session' | 'user' | 'device' | 'epoch'>, cursor: number): void {
    this.say('cursor', [session], (group) => ({
      gateway: this.name,
      cursors: group.map((one) => ({ ...one, cursor })),
    }));
  }

  async fetch(
    { session, user, device, epoch }: Pick<FakeSession, 'session' | 'user' | 'device' | 'epoch'>,
    part: Partial<Pick<FetchRequest, 'from' | 'limit' | 'maxBytes'>> = {},
  ): Promise<{ head: FetchReply; bodies: string[] }> {
    const request: FetchRequest = { session, user, device, epoch, from: 1, limit: 200, maxBytes: 256 * 1024, ...part };
    return decodeLines<FetchReply>(
      await this.bus.request(subjects.fetch(this.lane(user)), JSON.stringify(request), { timeoutMs: 20_000 }),
    );
  }

  /** The `inboxSeq`s that this session got, in order of arrival. */
  seqsOf(session: number): number[] {
    return this.told.filter((one) => one.session === session).map((one) => one.seq);
  }

  textsOf(session: number): (string | undefined)[] {
    return this.told.filter((one) => one.session === session).map((one) => textOf(one.body));
  }

  private hear(payload: Uint8Array): void {
    const { head, bodies } = decodeLines<GatewayBatch>(payload);
    this.batches.push(head);
    for (const [session, seq, line] of head.deliver ?? []) this.told.push({ session, seq, body: bodies[line] });
    for (const [session, cursor] of head.confirm ?? []) this.confirmed.set(session, cursor);
    for (const [session, cursor, at] of head.attached ?? []) this.attached.set(session, { cursor, head: at });
    this.kicked.push(...(head.kick ?? []));
    this.revoked.push(...(head.revoked ?? []));
  }

  private say<T extends { user: string }>(
    what: 'attach' | 'close' | 'cursor',
    all: T[],
    batch: (group: T[]) => object,
  ): void {
    for (const one of all) this.bus.publish(subjects[what](this.lane(one.user)), JSON.stringify(batch([one])));
  }

  private lane(user: string): number {
    return inboxLaneOf(user, this.lanes);
  }
}

export const textOf = (body: string | undefined): string | undefined =>
  body === undefined ? undefined : (JSON.parse(body) as { text: string }).text;
