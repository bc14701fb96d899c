import type { Observed, SeenMessage } from '@huizhi/client';
import type { UserInbox } from './user-inbox.js';
import type { Violations } from './violations.js';

type Received = Extract<Observed, { ev: 'received' }>;

/** The deliveries to one device. Checks the order of its inbox, repeats, receipts and the window. */
export class DeviceHistory {
  /** The key is the messageID. */
  readonly received = new Map<string, Received>();
  quiet = false;
  /** The lowest seq delivered to the device, by conversation. */
  private readonly firstSeq = new Map<string, number>();
  /** The cursor of the device's first login. */
  private firstCursor: number | undefined;
  private inbox: UserInbox | undefined;
  private generation: string | undefined;
  private connection = 0;
  private window = Infinity;
  private high = 0;
  private confirmed = 0;
  private readonly lastSeq = new Map<string, number>();
  /** Delivered on this connection and not yet receipted: messageIDs by inboxSeq, ascending. */
  private readonly owed = new Map<number, string>();
  /** Receipted on this connection and not yet confirmed. These may be redelivered and need no second receipt. */
  private readonly unconfirmed = new Set<number>();

  constructor(
    readonly user: string,
    readonly where: string,
    private readonly inboxOf: (generation: string) => UserInbox,
    private readonly violations: Violations,
  ) {}

  connected({ connection, cursor, window, generation }: Extract<Observed, { ev: 'connected' }>): void {
    if (this.generation !== undefined && this.generation !== generation) this.startOver();
    this.generation = generation;
    this.connection = connection;
    this.window = window;
    this.high = cursor;
    this.firstCursor ??= cursor;
    this.inbox = this.inboxOf(generation);
    if (cursor < this.confirmed) this.violation('I6', `the cursor moved back from ${this.confirmed} to ${cursor}`);
    this.settle(cursor);
    // Unreceipted entries are redelivered on this connection and need a receipt from then on.
    this.owed.clear();
    this.unconfirmed.clear();
  }

  take(entry: Received): void {
    const { inboxSeq, messageID } = entry;
    if (inboxSeq === 0) return;
    if (entry.connection !== this.connection)
      this.violation('I7', `${messageID} arrived on connection ${entry.connection}, which has ended`);
    if (inboxSeq <= this.confirmed)
      this.violation('I6', `${messageID} (${inboxSeq}) was redelivered after ${this.confirmed} was confirmed`);
    this.checkPlace(entry);
    const other = this.inbox?.hear(inboxSeq, messageID);
    if (other) this.violation('I5', `${messageID} arrived as ${inboxSeq}, and earlier ${other}`);
    if (!this.received.has(messageID)) this.first(entry);
    if (inboxSeq > this.confirmed && !this.unconfirmed.has(inboxSeq)) this.owed.set(inboxSeq, messageID);
    if (this.owed.size > this.window)
      this.violation('I13', `${this.owed.size} unreceipted, the window is ${this.window}`);
  }

  receipted({ upTo, messageIDs }: Extract<Observed, { ev: 'receipted' }>): void {
    for (const inboxSeq of this.owed.keys()) {
      if (inboxSeq > (upTo ?? 0)) break;
      this.receipt(inboxSeq);
    }
    for (const messageID of messageIDs ?? []) {
      const { inboxSeq } = this.received.get(messageID) ?? {};
      if (inboxSeq !== undefined) this.receipt(inboxSeq);
    }
  }

  /** The server confirms all entries up to this one as receipted. */
  settle(inboxSeq: number): void {
    for (const [unreceipted, messageID] of this.owed) {
      if (unreceipted > inboxSeq) break;
      this.violation('I6', `${inboxSeq} is confirmed, but ${messageID} (${unreceipted}) was never receipted`);
      this.owed.delete(unreceipted);
    }
    for (const receipted of this.unconfirmed) if (receipted <= inboxSeq) this.unconfirmed.delete(receipted);
    this.confirmed = Math.max(this.confirmed, inboxSeq);
  }

  /** Whether the server must have delivered the message at `seq` to this device. */
  mustHave(conversation: string, seq: number): boolean {
    return this.quiet && (this.firstCursor === 0 || seq >= (this.firstSeq.get(conversation) ?? Infinity));
  }

  /** Ids of messages that another device of the user received and this one did not, above its first cursor. */
  *missing(): Iterable<string> {
    if (!this.quiet || this.firstCursor === undefined) return;
    for (const [inboxSeq, messageID] of this.inbox?.entries ?? []) {
      if (inboxSeq > this.firstCursor && !this.received.has(messageID)) yield messageID;
    }
  }

  private receipt(inboxSeq: number): void {
    if (this.owed.delete(inboxSeq)) this.unconfirmed.add(inboxSeq);
  }

  private checkPlace({ inboxSeq, previous, messageID }: Received): void {
    if (inboxSeq > this.high) {
      if (previous > this.high)
        this.violation('I7', `no entry arrived between ${this.high} and ${inboxSeq}, whose predecessor is ${previous}`);
      this.high = inboxSeq;
    } else if (this.received.get(messageID)?.inboxSeq !== inboxSeq) {
      this.violation('I7', `${messageID} (${inboxSeq}) arrived after ${this.high}`);
    }
  }

  private first(entry: Received): void {
    const { messageID, conversation, seq } = entry;
    this.received.set(messageID, entry);
    const last = this.lastSeq.get(conversation);
    if (last === undefined) this.firstSeq.set(conversation, seq);
    else if (seq <= last) this.violation('I7', `seq ${seq} of ${conversation} arrived after ${last}`);
    this.lastSeq.set(conversation, Math.max(last ?? 0, seq));
    if (!concerns(this.user, entry))
      this.violation('I12', `${messageID} from ${entry.from} to ${entry.to} was delivered to ${this.user}`);
  }

  private startOver(): void {
    this.confirmed = this.high = 0;
    this.firstCursor = undefined;
    for (const kept of [this.received, this.firstSeq, this.lastSeq, this.owed, this.unconfirmed]) kept.clear();
  }

  private violation(rule: 'I5' | 'I6' | 'I7' | 'I12' | 'I13', what: string): void {
    this.violations.add(rule, this.where, what);
  }
}

/** Whether a message between two users has this user as one of them. For groups, the history decides. */
const concerns = (user: string, { from, to }: SeenMessage): boolean =>
  !to.startsWith('u:') || user === from || to === `u:${user}`;
