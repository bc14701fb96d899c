import {
  contentHash,
  decodeLines,
  groupConversation,
  inboxLaneOf,
  laneOf,
  pairConversation,
  subjects,
  type CursorBatch,
  type FetchReply,
  type FetchRequest,
  type GatewayBatch,
  type OpenReply,
  type OpenRequest,
  type ReceiptBatch,
  type Send,
} from '@huizhi/protocol';
import type { Directory } from '../../apps/message/src/directory/directory.js';
import type { FaultyBus } from './faulty-bus.js';
import { Sender, type Sent } from './sender.js';
import { HZ_MESSAGE_LANES, HZ_OFFLINE_LANES, PATIENCE_MS } from './model-servers.js';

let runs = 0;

interface Conversation {
  readonly id: string;
  readonly users: readonly string[];
  readonly address: Partial<Send>;
}

/** A user's tablet: the second device, which gets a copy of every message. */
export interface Tablet {
  readonly user: string;
  epoch: number;
  /** The cursor that the owner of the inbox lane has confirmed. */
  confirmed: number;
}

/** The sends and answers of one run, in the role of a gateway. Each run has three new users, two pairs and a group. */
export class Traffic {
  readonly sent: Sent[] = [];
  readonly users: readonly string[];
  readonly tablets: Tablet[];
  private readonly gateway: string;
  private readonly senders: Sender[];
  private readonly conversations: readonly Conversation[];
  private readonly subscriptions;

  constructor(private readonly bus: FaultyBus) {
    const run = `f${++runs}`;
    this.gateway = `gateway-${run}`;
    this.users = ['a', 'b', 'c'].map((letter) => `${run}-${letter}`);
    this.tablets = this.users.map((user) => ({ user, epoch: 0, confirmed: 0 }));
    this.senders = this.users.map((user, n) => new Sender(bus, this.gateway, n + 1, user));
    const [a, b, c] = this.users as [string, string, string];
    const pair = (one: string, other: string): Conversation => ({
      ...{ id: pairConversation(one, other), users: [one, other], address: {} },
    });
    const group = { id: groupConversation(run), users: this.users, address: { group: run } };
    this.conversations = [pair(a, b), pair(b, c), group];
    this.subscriptions = [
      bus.subscribe(subjects.receipts(this.gateway), (payload) => {
        const { answers } = JSON.parse(new TextDecoder().decode(payload)) as ReceiptBatch;
        for (const { session, lane, batch, receipts } of answers)
          this.senders[session - 1]?.answered(lane, batch, receipts);
      }),
      bus.subscribe(subjects.gateway(this.gateway), (payload) => {
        const { confirm } = decodeLines<GatewayBatch>(payload).head;
        for (const [session, cursor] of confirm ?? []) {
          const tablet = this.tablets[session - 1];
          if (tablet) tablet.confirmed = Math.max(tablet.confirmed, cursor);
        }
      }),
    ];
  }

  /**
   * Creates the users with a second device each, so that their own messages become entries too. Sends the creation of
   * the group.
   */
  async begin(directory: Pick<Directory, 'ensureUser'>): Promise<void> {
    await Promise.all(this.users.map((user) => directory.ensureUser(user)));
    await Promise.all(this.tablets.map((tablet, n) => this.open(tablet, n + 1)));
    // The first message of this session in its lane, so that no other message of its creator precedes it.
    this.say(0, 2, { kind: 'groupCreated', members: this.users.slice(1) });
  }

  get isAnswered(): boolean {
    return this.sent.every((sent) => sent.receipts.length > 0 || sent.refusals.length > 0);
  }

  /** Whether the group's creation is receipted, so that the others may use it. */
  get hasGroup(): boolean {
    return this.sent[0]!.receipts.length > 0;
  }

  send(from: number, to: number): void {
    const conversation = this.conversations[to]!;
    if (!conversation.users.includes(this.users[from]!) || (to === 2 && !this.hasGroup)) return;
    this.say(from, to, {});
  }

  /** All entries of the tablet's inbox, in order, as they would be delivered. */
  async fetchAll(tablet: Tablet): Promise<string[]> {
    const found: string[] = [];
    const { user, epoch } = tablet;
    const lane = inboxLaneOf(user, HZ_OFFLINE_LANES);
    for (let from = 1, head = 1; from <= head;) {
      const request: FetchRequest = { session: 1, user, device: 'tablet', epoch, from, limit: 7, maxBytes: 10_000 };
      const { head: reply, bodies } = await this.ask<FetchReply>(subjects.fetch(lane), request);
      for (const [, line] of reply.entries) found.push(bodies[line] ?? '');
      head = reply.head;
      from = reply.upTo + 1;
    }
    return found;
  }

  claimCursor(n: number, cursor: number): void {
    const { user, epoch } = this.tablets[n]!;
    const batch: CursorBatch = {
      gateway: this.gateway,
      cursors: [{ session: n + 1, user, device: 'tablet', epoch, cursor }],
    };
    this.bus.publish(subjects.cursor(inboxLaneOf(user, HZ_OFFLINE_LANES)), JSON.stringify(batch));
  }

  stop(): void {
    for (const sender of this.senders) sender.stop();
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  private say(from: number, to: number, more: Partial<Send>): void {
    const { id, users, address } = this.conversations[to]!;
    const n = this.sent.length;
    const session = this.senders[from]!;
    const clientID = `${this.gateway}.${n}`;
    const peer = users.find((user) => user !== session.user)!;
    const send: Send = {
      kind: 'message',
      conversation: id,
      clientID,
      hash: contentHash(clientID),
      ...(to < 2 && { to: peer }),
      ...address,
      ...more,
    };
    const body = JSON.stringify({ messageType: 'normal', fromUserID: session.user, content: { text: clientID } });
    const lane = laneOf(id, HZ_MESSAGE_LANES);
    const sent: Sent = { session, n, conversation: id, users, lane, send, body, receipts: [], refusals: [] };
    this.sent.push(sent);
    session.offer(sent);
  }

  private async open(tablet: Tablet, session: number): Promise<void> {
    const { gateway } = this;
    const about = { user: tablet.user, device: 'tablet', deviceType: 'test', version: 2 };
    const request: OpenRequest = { gateway, session, ...about, login: session, age: 0 };
    const { head } = await this.ask<OpenReply>(subjects.open(inboxLaneOf(tablet.user, HZ_OFFLINE_LANES)), request);
    tablet.epoch = head.epoch;
  }

  /** Repeats a request until it is answered, as a gateway does. */
  private async ask<Reply extends { error?: string }>(subject: string, request: object) {
    for (const until = performance.now() + PATIENCE_MS; ;) {
      try {
        const answer = await this.bus.request(subject, JSON.stringify(request), { timeoutMs: 2_000 });
        const reply = decodeLines<Reply>(answer);
        if (!reply.head.error) return reply;
        if (reply.head.error !== 'unavailable') throw new RangeError(`${subject} answered ${reply.head.error}`);
      } catch (error) {
        if (error instanceof RangeError || performance.now() > until) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
