import {
  decodeLines,
  deliveryText,
  encodeLines,
  subjects,
  type AttachBatch,
  type CloseBatch,
  type CursorBatch,
  type ErrorName,
  type FetchReply,
  type FetchRequest,
  type GatewayBatch,
  type LaneAnnouncement,
  type OpenReply,
  type OpenRequest,
} from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';

interface Live {
  readonly gateway: string;
  readonly session: number;
  readonly user: string;
  readonly device: string;
}

interface Device {
  epoch: number;
  cursor: number;
}

/** A fake offline service on the bus: inboxes in memory; each kind of answer can be switched off. */
export class FakeOffline {
  readonly opens: OpenRequest[] = [];
  readonly fetches: FetchRequest[] = [];
  readonly attaches: AttachBatch[] = [];
  /** Called when the session is open and its gateway has no answer yet. */
  beforeAnswer: (request: OpenRequest) => void = () => undefined;
  /** Number of the next attachments to ignore, as if the bus had lost them. */
  losesAttaches = 0;
  readonly closes: CloseBatch['sessions'] = [];
  readonly cursors: CursorBatch['cursors'] = [];
  /** False simulates an absent owner. */
  answersOpen = true;
  answersFetch = true;
  /** The error that refuses logins. */
  refusal: ErrorName | undefined;
  /** Called before a login is processed. */
  beforeOpened: (request: OpenRequest) => void = () => undefined;
  confirms = true;
  /** Clock for the `serverTime` of messages. */
  now: () => number = Date.now;
  readonly name = 'offline-test';
  private readonly inboxes = new Map<string, (string | undefined)[]>();
  private readonly devices = new Map<string, Device>();
  private readonly live = new Map<string, Live>();
  private n = new Map<string, number>();
  private position = 0;

  constructor(private readonly bus: Bus) {
    bus.subscribe('hz.session.open.*', (payload, _, reply) => this.open(decodeLines<OpenRequest>(payload).head, reply));
    bus.subscribe('hz.session.attach.*', (payload) => this.attach(decodeLines<AttachBatch>(payload).head));
    bus.subscribe('hz.session.close.*', (payload) => {
      this.closes.push(...decodeLines<CloseBatch>(payload).head.sessions);
    });
    bus.subscribe('hz.fetch.*', (payload, _, reply) => this.fetch(decodeLines<FetchRequest>(payload).head, reply));
    bus.subscribe('hz.cursor.>', (payload) => this.store(decodeLines<CursorBatch>(payload).head));
  }

  /** Adds a message to a user's inbox without announcing it. @returns its inboxSeq */
  put(user: string, text: string, more: Record<string, unknown> = {}): number {
    const body = JSON.stringify({
      messageType: 'normal',
      fromUserID: 'sender',
      chatType: 'userChat',
      contenType: 'text',
      content: { text },
      ...more,
    });
    this.position += 1;
    const at = { lane: 0, position: this.position, conversation: 'p_test', seq: this.position, serverTime: this.now() };
    return this.inbox(user).push(deliveryText(at, body));
  }

  putVoid(user: string): number {
    return this.inbox(user).push(undefined);
  }

  messageIDOf(user: string, inboxSeq: number): string {
    return (JSON.parse(this.inbox(user)[inboxSeq - 1] ?? '{}') as { messageID: string }).messageID;
  }

  /** Bytes of an entry as delivered. */
  bytesOf(user: string, inboxSeq: number): number {
    return Buffer.byteLength(this.inbox(user)[inboxSeq - 1] ?? '');
  }

  /** Adds a message and announces it to the user's sessions. */
  deliver(user: string, text: string, more?: Record<string, unknown>): number {
    const inboxSeq = this.put(user, text, more);
    this.announce(user, inboxSeq);
    return inboxSeq;
  }

  deliverVoid(user: string): number {
    const inboxSeq = this.putVoid(user);
    this.announce(user, inboxSeq);
    return inboxSeq;
  }

  announce(user: string, inboxSeq: number): void {
    const text = this.inbox(user)[inboxSeq - 1];
    for (const { gateway, session, user: whose } of this.live.values()) {
      if (whose !== user) continue;
      this.say(
        gateway,
        { deliver: [[session, inboxSeq, text === undefined ? -1 : 0]] },
        text === undefined ? [] : [text],
      );
    }
  }

  cursorOf(user: string, device: string): number {
    return this.devices.get(`${user} ${device}`)?.cursor ?? 0;
  }

  kick(user: string, device: string): void {
    const live = this.live.get(`${user} ${device}`);
    if (live) this.say(live.gateway, { kick: [live.session] });
  }

  revoke(user: string, device: string): void {
    const live = this.live.get(`${user} ${device}`);
    if (live) this.say(live.gateway, { revoked: [live.session] });
  }

  /** Simulates a lost bus message: its number is used, but it is not sent. */
  lose(user: string): void {
    for (const { gateway, user: whose } of this.live.values()) if (whose === user) this.next(gateway);
  }

  tick(user: string): void {
    for (const { gateway, user: whose } of this.live.values()) {
      if (whose !== user) continue;
      const message: GatewayBatch = { from: this.name, n: this.n.get(gateway) ?? 0, tick: true };
      this.bus.publish(subjects.gateway(gateway), JSON.stringify(message));
    }
  }

  takeOver(lane: number): void {
    const message: LaneAnnouncement = { owner: 'another', taken: true, lanes: [{ lane, epoch: 2, head: 0 }] };
    this.bus.publish(subjects.lanes('offline'), JSON.stringify(message));
  }

  say(gateway: string, what: Partial<GatewayBatch>, bodies: string[] = []): void {
    const message: GatewayBatch = { from: this.name, n: this.next(gateway), ...what };
    this.bus.publish(subjects.gateway(gateway), encodeLines(message, bodies));
  }

  private next(gateway: string): number {
    const n = (this.n.get(gateway) ?? 0) + 1;
    this.n.set(gateway, n);
    return n;
  }

  private inbox(user: string): (string | undefined)[] {
    let inbox = this.inboxes.get(user);
    if (!inbox) this.inboxes.set(user, (inbox = []));
    return inbox;
  }

  private open(request: OpenRequest, reply: string | undefined): void {
    this.opens.push(request);
    if (!this.answersOpen || !reply) return;
    if (this.refusal) {
      const refused: OpenReply = {
        error: this.refusal,
        epoch: 0,
        cursor: 0,
        head: 0,
        last: 0,
        waiting: 0,
        generation: '',
      };
      return void this.bus.respond(reply, JSON.stringify(refused));
    }
    this.beforeOpened(request);
    const { user, device, gateway, session } = request;
    const key = `${user} ${device}`;
    const known = this.devices.get(key) ?? { epoch: 0, cursor: 0 };
    known.epoch += 1;
    this.devices.set(key, known);
    const before = this.live.get(key);
    if (before) this.say(before.gateway, { kick: [before.session] });
    this.live.set(key, { gateway, session, user, device });
    const inbox = this.inbox(user);
    const owed = inbox.flatMap((text, n) => (text !== undefined && n >= known.cursor ? [n + 1] : []));
    const answer: OpenReply = {
      epoch: known.epoch,
      cursor: known.cursor,
      head: inbox.length,
      last: owed.at(-1) ?? known.cursor,
      waiting: owed.length,
      generation: 'g1',
    };
    this.beforeAnswer(request);
    this.bus.respond(reply, JSON.stringify(answer));
  }

  private attach(batch: AttachBatch): void {
    this.attaches.push(batch);
    if (this.losesAttaches-- > 0) return;
    const attached: [number, number, number][] = [];
    const kick: number[] = [];
    for (const { session, user, device, epoch } of batch.sessions) {
      const known = this.devices.get(`${user} ${device}`);
      if (known?.epoch !== epoch) kick.push(session);
      else attached.push([session, known.cursor, this.inbox(user).length]);
    }
    this.say(batch.gateway, { attached, ...(kick.length > 0 ? { kick } : {}) });
  }

  private fetch(request: FetchRequest, reply: string | undefined): void {
    this.fetches.push(request);
    if (!this.answersFetch || !reply) return;
    const inbox = this.inbox(request.user);
    const answer: FetchReply = { entries: [], upTo: request.from - 1, head: inbox.length };
    const bodies: string[] = [];
    let bytes = 0;
    if (this.devices.get(`${request.user} ${request.device}`)?.epoch !== request.epoch) answer.error = 'notAllowed';
    for (let at = request.from; !answer.error && at <= inbox.length && answer.entries.length < request.limit; at++) {
      const text = inbox[at - 1];
      bytes += text?.length ?? 0;
      if (bytes > request.maxBytes && bodies.length > 0) break;
      answer.entries.push([at, text === undefined ? -1 : bodies.length]);
      if (text !== undefined) bodies.push(text);
      answer.upTo = at;
    }
    this.bus.respond(reply, encodeLines(answer, bodies));
  }

  private store(batch: CursorBatch): void {
    this.cursors.push(...batch.cursors);
    if (!this.confirms) return;
    const confirm: [number, number][] = [];
    for (const { session, user, device, cursor, epoch } of batch.cursors) {
      const known = this.devices.get(`${user} ${device}`);
      if (known?.epoch !== epoch) continue;
      known.cursor = Math.max(known.cursor, cursor);
      confirm.push([session, known.cursor]);
    }
    this.say(batch.gateway, { confirm });
  }
}
