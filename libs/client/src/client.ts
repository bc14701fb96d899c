import { closeTable, type Delivery, type Down, type LoginReceipt } from '@huizhi/protocol/client';
import { checkClientId, checkFunction, checkIds, checkObject, checkString, checkTarget, fail } from './checks.js';
import { isClientEvent, type ClientEvents, type ClientState } from './client-events.js';
import { ClientClosedError } from './errors.js';
import { Emitter } from './events.js';
import { checkQuery, HistoryRequests, type HistoryPage, type HistoryQuery } from './history.js';
import { Inbox, type InboxFrame } from './inbox.js';
import { frameDigest } from './content-hash.js';
import { MemoryStore } from './memory-store.js';
import type { Observed } from './observer.js';
import { checkTimeout } from './option-checks.js';
import type { ClientOptions } from './options.js';
import { toSettings, type Settings } from './settings.js';
import { Outbox } from './outbox.js';
import type { Restored, Sending } from './outgoing.js';
import { FrameRate } from './rate.js';
import { Receipts } from './receipts.js';
import { Reconnector, type LinkHandlers } from './reconnector.js';
import { refusal } from './refusal.js';
import { seen } from './seen.js';
import type { Session, SessionEnd } from './session.js';
import type { Store } from './store.js';
import { checkSendOptions, laneOfTarget, routeOf, type SendOptions, type Target } from './target.js';
import type { Platform } from './wake.js';
import { watched } from './wire-watch.js';

const DEFAULT_LIMITS = { frameBytes: 65_536, framesPerSecond: 50, unansweredSends: 16, window: 500, batchEntries: 200 };

const utf8 = new TextEncoder();

export interface ConnectOptions {
  /** Time to wait for the login in milliseconds. */
  timeoutMs?: number;
  /** Reject as soon as one attempt ends without an answer to the login, for interactive programs. */
  failFast?: boolean;
}

/**
 * One device of one user, on any platform. It repeats sends until they are receipted, stores a message before it
 * receipts it, and emits every message once and in order. It stays connected until it is closed, kicked or refused.
 * Create one client per device.
 */
export class Client {
  /** Unsettled sends of an earlier run of the program, from the store and in order; the client sends them again. */
  readonly restored: readonly Restored[];
  private readonly settings: Settings;
  private readonly events: Emitter<ClientEvents>;
  private readonly store: Store;
  /** Frame rate shared by sends and requests. */
  private readonly rate = new FrameRate();
  private readonly outbox: Outbox;
  private readonly inbox: Inbox;
  private readonly receipts: Receipts;
  private readonly pages: HistoryRequests;
  private readonly link: Reconnector;
  private limits = DEFAULT_LIMITS;
  private connection = 0;
  private confirmedUpTo = 0;

  constructor(
    private readonly options: ClientOptions,
    { transportFor, wakeSignals }: Platform,
  ) {
    this.settings = toSettings(options);
    this.store = options.store ?? new MemoryStore();
    this.events = new Emitter<ClientEvents>((error, event) => {
      if (event !== 'error') this.events.emit('error', asError(error));
    });
    this.outbox = new Outbox(this.settings, (event) => this.observe(event), this.rate, {
      store: this.store.unsettled,
      failed: (error) => this.events.emit('error', asError(error)),
    });
    this.restored = this.outbox.restore();
    this.pages = new HistoryRequests(this.settings, this.rate);
    this.receipts = new Receipts(this.settings.timings, (receipt) => {
      const { messageType: _, ...said } = receipt;
      this.observe({ ev: 'receipted', connection: this.connection, ...said });
      this.session?.send(receipt);
    });
    this.inbox = new Inbox(this.store, this.settings.bounds.inbox, {
      onStored: (frame, fresh) => this.stored(frame, fresh),
      onOwed: (inboxSeq) => this.receipts.owe(inboxSeq),
      onOwedById: (messageID) => this.receipts.oweById(messageID),
      onBroken: (reason, error) => {
        this.events.emit('error', error ?? new Error(reason));
        this.session?.drop('inboxBroken', reason);
      },
      onFailed: (error) => this.events.emit('error', error),
    });
    const handlers: LinkHandlers = {
      onState: (state) => this.events.emit('state', state),
      onOnline: (receipt) => this.online(receipt),
      onFrame: (frame) => this.read(frame),
      onHead: (head) => this.events.emit('head', head),
      onEnd: (end, wasOnline, reconnect) => this.ended(end, wasOnline, reconnect),
    };
    const bare = options.transport ?? transportFor(this.settings.address);
    const transport = options.wire ? watched(bare, options.wire) : bare;
    this.link = new Reconnector(this.settings, transport, handlers, wakeSignals);
  }

  get state(): ClientState {
    return this.link.state;
  }

  /** Unsettled sends. */
  get pending(): number {
    return this.outbox.size;
  }

  /**
   * @returns a function that ends the subscription
   * @throws TypeError when the event does not exist
   */
  on<K extends keyof ClientEvents>(event: K, listener: (...args: ClientEvents[K]) => void): () => void {
    if (!isClientEvent(event)) throw new TypeError(`${String(event)} is not an event of a client`);
    checkFunction('the listener', listener);
    return this.events.on(event, listener);
  }

  /**
   * Connects and stays connected. Resolves at the first login; resolves at once if already connected.
   *
   * Rejects and ends the client when a retry cannot help: LoginRefusedError, CertificateError, UpgradeRefusedError,
   * ConnectFailedError when the address is unusable, TypeError when the token callback returns no string, or
   * ClientClosedError. A certificate that is refused after an earlier login was accepted is retried.
   *
   * Rejects and keeps trying until the client is closed: RequestTimeoutError after `timeoutMs` (default 30 s; may be
   * Infinity), whose `cause` is the last failure. With `failFast` it rejects as soon as one attempt ends before the
   * server has answered the login, with ConnectFailedError or the error of the token callback.
   */
  async connect({ timeoutMs = 30_000, failFast = false }: ConnectOptions = {}): Promise<void> {
    checkTimeout('timeoutMs', timeoutMs);
    return this.link.connect(timeoutMs, failFast);
  }

  /**
   * Sends pending receipts, then ends the connection. Unsettled sends reject with SendUnknownError. Resolves when the
   * socket is closed. A store call in flight may still emit its messages afterwards.
   */
  async close(): Promise<void> {
    this.receipts.flush();
    this.abandon('it was closed');
    await this.link.close();
  }

  /** Reports that the device has no network: ends the connection and waits for {@link networkBack}. */
  networkLost(): void {
    this.link.networkLost();
  }

  /** Reports that the network is back: connects at once. */
  networkBack(): void {
    this.link.networkBack();
  }

  /**
   * Withholds receipts. Messages are stored and emitted as before, but remain undelivered for the server. The server
   * delivers them again, after 10 s and then less often, and at each login; they are not emitted again. When the
   * server's window (500 entries) is full, the server delivers nothing more and closes with `receiptOverdue` after 30
   * s. For applications that receipt only messages a user has seen, and for demonstrations.
   */
  holdReceipts(): void {
    this.receipts.hold(true);
  }

  /** Sends the receipts withheld on this connection, and later receipts as usual. */
  releaseReceipts(): void {
    this.receipts.hold(false);
  }

  get holdsReceipts(): boolean {
    return this.receipts.isHeld;
  }

  /**
   * Sends a message now or after the next login, and repeats it until it is answered.
   * @throws OutboxFullError, ClientIdInUseError, ClientClosedError, TypeError when an argument is invalid
   */
  send(target: Target, content: Record<string, unknown>, options: SendOptions = {}): Sending {
    checkTarget(target);
    checkObject('the content', content);
    checkSendOptions(options);
    const { contenType = 'text', clientMsgID = newID(), sendTime = String(Date.now()), atToUserIDs } = options;
    const lane = laneOfTarget(target);
    const frame = {
      messageType: 'normal',
      ...routeOf(target),
      contenType,
      clientMsgID,
      sendTime,
      atToUserIDs,
      content,
    };
    return this.submit(clientMsgID, lane, frame);
  }

  /** A text message; see {@link send}. */
  sendText(target: Target, text: string, options: SendOptions = {}): Sending {
    checkString('the text', text);
    return this.send(target, { text }, options);
  }

  /** Creates a group of this user and `members`; the receipt has its id in `groupID`. Sent like a message. */
  createGroup(
    members: string[],
    groupName?: string,
    { clientMsgID = newID() }: { clientMsgID?: string } = {},
  ): Sending {
    checkIds('members', members);
    if (members.length === 0) fail('members', 'a list that is not empty', members);
    if (groupName !== undefined) checkString('groupName', groupName);
    checkClientId(clientMsgID);
    const frame = { messageType: 'createGroup', clientMsgID, groupName, memberUserIDs: members };
    return this.submit(clientMsgID, `new:${clientMsgID}`, frame);
  }

  /**
   * Reads a page of a conversation; see the protocol's `History`. Needs no receipts and emits no `message` events.
   * Rejects with RequestTimeoutError, RequestRefusedError, ClientClosedError or TypeError.
   */
  async history(target: Target, query: HistoryQuery = {}): Promise<HistoryPage> {
    checkTarget(target);
    checkQuery(query);
    if (this.state === 'closed') throw new ClientClosedError('connect it first');
    return this.pages.ask(routeOf(target), query);
  }

  private get session(): Session | undefined {
    return this.link.session;
  }

  private submit(clientMsgID: string, lane: string, frame: object): Sending {
    if (this.state === 'closed') throw new ClientClosedError('connect it first');
    const json = JSON.stringify(frame);
    const bytes = utf8.encode(json);
    const error = refusal(bytes, this.limits.frameBytes);
    if (error) {
      const receipt = Promise.reject(error);
      receipt.catch(() => undefined);
      return { clientMsgID, receipt };
    }
    const entry = this.outbox.reserve(clientMsgID, lane, json, bytes.length);
    if (this.options.observer) this.observe({ ev: 'invoke', clientMsgID, target: lane, hash: frameDigest(frame) });
    this.outbox.pump();
    return { clientMsgID, receipt: entry.receipt };
  }

  private online(receipt: LoginReceipt): void {
    const { limits = DEFAULT_LIMITS, inboxSeq: cursor = 0, head = 0, generation = '' } = receipt;
    this.limits = limits;
    this.connection++;
    this.observe({ ev: 'connected', connection: this.connection, cursor, head, window: limits.window, generation });
    this.receipts.open(cursor);
    this.inbox.begin(cursor, () => this.checkGeneration(generation));
    this.events.emit('login', receipt);
    this.confirmed(cursor);
    const session = this.session;
    if (!session) return;
    this.rate.reset(limits.framesPerSecond, performance.now());
    this.pages.online((frame) => session.send(frame));
    this.outbox.online(
      { sendText: (json) => session.sendText(json), restart: (reason) => session.drop('sendsUnanswered', reason) },
      limits,
    );
  }

  private async checkGeneration(generation: string): Promise<void> {
    const held = await this.store.generation();
    if (held === generation) return;
    await this.store.reset(generation);
    if (held === undefined) return;
    this.confirmedUpTo = 0;
    this.events.emit('resync', generation);
  }

  private read(frame: Down): void {
    if (Array.isArray(frame)) return this.deliver(frame, true);
    if (!('messageType' in frame)) return;
    switch (frame.messageType) {
      case 'normal':
        return this.deliver([frame], false);
      case 'normalReceipt':
        return this.outbox.stored(frame);
      case 'invalidReceipt':
        return this.outbox.refused(frame);
      case 'receiptConfirm':
        this.receipts.confirm(frame.inboxSeq);
        this.inbox.confirmed(frame.inboxSeq);
        return this.confirmed(frame.inboxSeq);
      case 'historyReceipt':
        return this.pages.answered(frame);
      case 'error':
        if (frame.requestID !== undefined) return this.pages.refused(frame.requestID, frame);
        if (frame.clientMsgID !== undefined) return this.outbox.refused(frame);
        this.events.emit('error', new Error(`the server reports ${frame.name} (${frame.code}): ${frame.reason}`));
    }
  }

  private deliver(entries: Delivery[], batch: boolean): void {
    if (this.options.observer) {
      for (const entry of entries) {
        const { inboxSeq = 0, prevInboxSeq: previous = inboxSeq - 1 } = entry;
        const via = batch ? 'batch' : 'live';
        this.observe({ ev: 'received', connection: this.connection, via, inboxSeq, previous, ...seen(entry) });
      }
    }
    this.inbox.take(entries, batch);
  }

  private stored(frame: InboxFrame, fresh: Delivery[]): void {
    if (frame.batch) this.events.emit('batch', { entries: frame.entries, fresh });
    for (const message of fresh) this.events.emit('message', message);
  }

  private confirmed(inboxSeq: number): void {
    this.observe({ ev: 'confirmed', connection: this.connection, inboxSeq });
    if (inboxSeq <= this.confirmedUpTo) return;
    this.confirmedUpTo = inboxSeq;
    this.events.emit('confirmed', inboxSeq);
  }

  private ended(end: SessionEnd, wasOnline: boolean, reconnect: boolean): void {
    this.outbox.offline();
    this.pages.offline();
    this.receipts.close();
    this.inbox.end();
    if (wasOnline) this.observe({ ev: 'closed', connection: this.connection, code: end.code, name: end.name });
    if (end.error) this.events.emit('error', end.error);
    this.events.emit('closed', end.code, end.name, reconnect);
    if (end.code === closeTable.kicked.code) this.events.emit('kicked');
    if (end.code === closeTable.revoked.code) this.events.emit('revoked');
    if (!reconnect && !end.reconnect) this.abandon(end.name);
  }

  private abandon(why: string): void {
    this.outbox.abandon(why);
    this.pages.close(why);
  }

  private observe(event: Observed): void {
    try {
      this.options.observer?.(event);
    } catch {
      // Errors of an observer are ignored.
    }
  }
}

/** 128 random bits in hexadecimal. Pages without TLS have no `randomUUID`. */
const newID = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
