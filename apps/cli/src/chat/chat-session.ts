import { ConnectFailedError, HuizhiClient, type Observed, type Target } from '@huizhi/client';
import type { Delivery } from '@huizhi/protocol';
import { addressOf } from '../demo/address.js';
import type { DemoTarget } from '../demo/target.js';
import type { ChatModel, Entry } from './model.js';

export interface ChatOptions {
  server: DemoTarget;
  user: string;
  deviceID: string;
}

const HISTORY_MESSAGES = 20;
/** Maximum ids of shown messages, kept so that history does not show them again. */
const MAX_SHOWN = 10_000;
const SETTLE_MS = 5_000;
/** The client's name for the end of a connection that the user has cut. */
const CUT = 'networkLost';

/** An SDK client whose events update a {@link ChatModel}. */
export class ChatSession {
  private readonly client: HuizhiClient;
  private target: Target | undefined;
  private readonly unsettled = new Set<Promise<unknown>>();
  private readonly shown = new Set<string>();
  private framesShown = false;
  private lastProblem = '';

  constructor(
    { server, user, deviceID }: ChatOptions,
    private readonly model: ChatModel,
  ) {
    this.client = new HuizhiClient({
      address: addressOf(server),
      ...{ user, deviceID, deviceType: 'terminal' },
      token: () => server.token(user),
      // Sends have no deadline.
      timings: { deadlineMs: 0 },
      observer: (event) => this.observe(event),
      wire: ({ direction, json }) => {
        if (this.framesShown) model.note(`${direction === 'sent' ? '>>' : '<<'} ${json}`, 'frame', new Date());
      },
    });
    this.client.on('message', (message) => this.arrived(message));
    this.client.on('confirmed', (inboxSeq) => model.confirmed(inboxSeq));
    this.client.on('state', (state) => {
      if (state === 'online') model.setLink('online');
    });
    this.client.on(
      'error',
      (error) => (this.lastProblem = error instanceof ConnectFailedError ? error.reason : error.message),
    );
    this.client.on('closed', (_code, name, reconnect) => {
      // `/cut` has already shown this.
      if (model.link === 'leaving' || name === CUT) return;
      model.setLink(reconnect ? 'reconnecting' : 'ended', this.lastProblem || name);
      this.lastProblem = '';
      if (!reconnect) model.note(`The server ended this session: ${name}. /connect logs in again.`, 'problem');
    });
  }

  /** @throws the client's error when the first attempt fails or the login is refused */
  async start(): Promise<void> {
    try {
      await this.client.connect({ failFast: true });
    } catch (error) {
      await this.client.close();
      throw error;
    }
  }

  /** Logs in again after the server has ended the session. */
  connect(): void {
    this.client.connect().catch((error: unknown) => this.problem(error));
  }

  /** Selects the conversation at once and shows its newest messages when the server has answered. */
  choose(target: Target): void {
    this.target = target;
    this.model.setTarget(nameOf(target));
    this.settling(this.recall().catch((error: unknown) => this.problem(error)));
  }

  /** Returns false when no conversation is selected. */
  send(text: string): boolean {
    const { target } = this;
    if (!target) return false;
    const entry = this.model.sending(nameOf(target), text);
    try {
      const { receipt } = this.client.sendText(target, text);
      this.settling(
        receipt.then(
          ({ serverTime, messageID }) => {
            this.remember(messageID);
            this.model.settle(entry, 'stored', { time: new Date(Number(serverTime)) });
          },
          (error: unknown) => this.model.settle(entry, outcomeOf(error), { why: messageOf(error) }),
        ),
      );
    } catch (error) {
      this.model.settle(entry, 'refused', { why: messageOf(error) });
    }
    return true;
  }

  async createGroup(members: string[]): Promise<void> {
    const { groupID } = await this.client.createGroup(members).receipt;
    if (groupID === undefined) return;
    this.model.note(`Group ${groupID} with ${members.join(', ')}. Others write to it with /group ${groupID}`);
    this.choose({ group: groupID });
  }

  /** Shows the newest messages of the conversation that were not shown yet. */
  async recall(limit = HISTORY_MESSAGES): Promise<void> {
    const { target } = this;
    if (!target) return this.model.note('Choose a conversation first: /to <user>', 'problem');
    const { messages } = await this.client.history(target, { limit });
    const fresh = messages.filter(({ messageID }) => !this.shown.has(messageID));
    if (fresh.length > 0) this.model.note(`-- before, with ${nameOf(target)} --`);
    for (const message of fresh) {
      this.remember(message.messageID);
      this.model.show(this.past(message));
    }
  }

  setAway(away: boolean): void {
    if (away) this.client.holdReceipts();
    else this.client.releaseReceipts();
    this.model.setAway(away);
  }

  /** Drops the connection; the client reconnects after `seconds`. */
  cut(seconds: number): void {
    this.model.setLink('reconnecting', seconds === 0 ? 'cut' : `cut for ${seconds} s`);
    this.client.networkLost();
    setTimeout(() => this.client.networkBack(), seconds * 1_000).unref();
  }

  toggleFrames(): boolean {
    this.framesShown = !this.framesShown;
    return this.framesShown;
  }

  /** Waits up to 5 s for pending receipts, then closes the client. */
  async stop(): Promise<void> {
    this.model.setLink('leaving', this.unsettled.size > 0 ? 'waiting for receipts; Ctrl-C leaves at once' : '');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, SETTLE_MS)));
    await Promise.race([Promise.allSettled([...this.unsettled]), late]);
    clearTimeout(timer);
    await this.client.close();
  }

  private problem(error: unknown): void {
    this.model.note(messageOf(error), 'problem');
  }

  private settling(outcome: Promise<void>): void {
    const settled = outcome.finally(() => this.unsettled.delete(settled));
    this.unsettled.add(settled);
  }

  private observe(event: Observed): void {
    if (event.ev === 'received' && this.shown.has(event.messageID)) this.model.cameAgain(event.messageID);
  }

  private arrived(message: Delivery): void {
    const { messageID, inboxSeq = 0 } = message;
    if (this.shown.has(messageID)) return;
    this.remember(messageID);
    const entry = this.past(message);
    // A message of the user's other device is stored, so its state does not change.
    if (entry.kind === 'own') return this.model.show(entry);
    const { from, text, time } = entry;
    this.model.arrived({ from, text, time, messageID, inboxSeq });
  }

  /** Converts a stored message to an entry. */
  private past(message: Delivery): PastEntry {
    const { serverTime, fromUserID, toUserID, groupID, contenType, content, messageID, inboxSeq = 0 } = message;
    const text = typeof content.text === 'string' ? content.text : `[${contenType}]`;
    const time = new Date(Number(serverTime));
    if (fromUserID === this.model.user) {
      return { kind: 'own', time, to: groupID ? `group ${groupID}` : (toUserID ?? ''), text, state: 'stored' };
    }
    const from = groupID ? `${fromUserID} in group ${groupID}` : fromUserID;
    return { kind: 'in', time, from, text, messageID, inboxSeq, copies: 1, held: false };
  }

  private remember(messageID: string): void {
    this.shown.add(messageID);
    for (const oldest of this.shown) {
      if (this.shown.size <= MAX_SHOWN) break;
      this.shown.delete(oldest);
    }
  }
}

type PastEntry = Extract<Entry, { kind: 'own' | 'in' }>;

const nameOf = (target: Target): string => ('user' in target ? target.user : `group ${target.group}`);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Only a refusal by the server proves that the message is not stored. */
const outcomeOf = (error: unknown): 'refused' | 'unknown' =>
  error instanceof Error && error.name === 'SendRefusedError' ? 'refused' : 'unknown';
