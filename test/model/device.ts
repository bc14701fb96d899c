import { Link, type Frame } from './link.js';
import type { Spec } from './spec.js';
import type { ConversationSpec, DeliveryFrame, DeviceSpec, LinkSpec, SendSpec } from './facts.js';

/** Delay in milliseconds before a message with a temporary error is sent again. */
const AGAIN_MS = 20;

interface Connected {
  readonly link: Link;
  readonly gateway: number;
  /** The cursor that its user had confirmed when the login was sent. */
  readonly atLeast: number;
  spec: LinkSpec | undefined;
  closed: string | undefined;
  /** The last entry that {@link Device.receiptAll} has receipted. */
  saidUpTo: number;
}

/** What a device needs of its scenario. */
export interface DeviceContext {
  readonly spec: Spec;
  /** Answers to history requests, by request id. */
  readonly answers: Map<string, Frame>;
  newID(): string;
  portOf(gateway: number): number;
  notify(): void;
  until(what: string, holds: () => boolean): Promise<void>;
  pause(ms: number): Promise<void>;
}

/**
 * A device that follows docs/protocol.md, section 3, and does nothing more. It resends unsettled messages after a
 * login, and in order after a temporary error. It receipts only on request.
 */
export class Device {
  private at: Connected | undefined;
  /** In the order of first sends. */
  private unsettled: SendSpec[] = [];
  private readonly pausing = new Map<ConversationSpec, NodeJS.Timeout>();
  /** Older connections of this device that a newer login replaced. */
  private readonly replaced = new Set<Connected>();
  /** A login is in progress; it may replace the current connection before its answer arrives. */
  private isMoving = false;

  constructor(
    readonly spec: DeviceSpec,
    private readonly scenario: DeviceContext,
  ) {}

  get name(): string {
    return `${this.spec.user}/${this.spec.id}`;
  }

  get link(): LinkSpec | undefined {
    return this.at?.link.isOpen ? this.at.spec : undefined;
  }

  get gateway(): number | undefined {
    return this.link && this.at?.gateway;
  }

  get isSettled(): boolean {
    return this.unsettled.length === 0;
  }

  /** Whether all older connections are closed: two connections of one device exist only for a short time. */
  get isAlone(): boolean {
    return [...this.replaced].every(({ link }) => !link.isOpen);
  }

  /** Connects and logs in, on the other gateway if necessary. The server closes a connection that is still open. */
  async login(gateway: number): Promise<void> {
    let next = gateway;
    this.isMoving = true;
    while (!(await this.tryLogin(next))) {
      await this.scenario.pause(AGAIN_MS);
      next = 1 - next;
    }
    this.isMoving = false;
    for (const send of this.unsettled) this.write(send);
  }

  hangUp(abrupt: boolean): void {
    this.at?.link.end(abrupt);
    this.at = undefined;
  }

  send(...sends: readonly SendSpec[]): void {
    for (const send of sends) {
      if (!this.unsettled.includes(send)) this.unsettled.push(send);
      if (!this.pausing.has(send.conversation)) this.write(send);
    }
  }

  receipt(frame: object): void {
    this.at?.link.write({ messageType: 'receipt', ...frame });
  }

  /** Receipts all deliveries of this connection that are not yet receipted. */
  receiptAll(): void {
    const { at, link } = this;
    if (!at || !link || link.delivered.size === 0 || at.saidUpTo === link.last) return;
    at.saidUpTo = link.last;
    this.scenario.spec.receipts(link, link.delivered.values());
    this.receipt({ upTo: link.last });
  }

  /** Whether every unreceipted entry was delivered on this connection, too. */
  get hasAllAgain(): boolean {
    const { delivered, receipted } = this.spec;
    return [...delivered].every(([at, messageID]) => receipted.has(at) || this.link?.delivered.has(messageID));
  }

  /** Whether every delivery is confirmed, so that none may be redelivered. */
  get isConfirmed(): boolean {
    return this.link !== undefined && this.spec.confirmed >= this.link.last;
  }

  /** Requests a page of a conversation. @returns undefined when it is temporarily unavailable */
  async history(target: object): Promise<readonly DeliveryFrame[] | 'notAllowed' | undefined> {
    const requestID = this.scenario.newID();
    const { at } = this;
    at?.link.write({ messageType: 'history', requestID, limit: 200, afterSeq: 0, ...target });
    let answer: Frame | undefined;
    await this.scenario.until(`${this.name}: history`, () => {
      answer = this.scenario.answers.get(requestID);
      return answer !== undefined || !at?.link.isOpen;
    });
    if (!answer || answer['name'] === 'unavailable') return undefined;
    if (answer.messageType === 'error') return answer['name'] as 'notAllowed';
    return answer['messages'] as readonly DeliveryFrame[];
  }

  leave(): void {
    for (const timer of this.pausing.values()) clearTimeout(timer);
    for (const { link } of [...this.replaced, ...(this.at ? [this.at] : [])]) if (link.isOpen) link.end(true);
  }

  private async tryLogin(gateway: number): Promise<boolean> {
    const { user, id } = this.spec;
    const port = this.scenario.portOf(gateway);
    const link = new Link(
      port,
      (frames) => frames.forEach((frame) => this.heard(now, frame)),
      () => this.ended(now),
    );
    const atLeast = this.scenario.spec.confirmedOf(user);
    const now: Connected = { link, gateway, atLeast, spec: undefined, closed: undefined, saidUpTo: 0 };
    link.write({ messageType: 'login', fromUserID: user, deviceID: id, versionCode: 2, deviceType: 'model' });
    await this.scenario.until(`${this.name}: login`, () => now.spec !== undefined || !link.isOpen);
    return now.spec !== undefined && link.isOpen;
  }

  private heard(now: Connected, frame: Frame): void {
    if (frame.messageType === 'loginReceipt') this.welcomed(now, frame);
    else if (frame.messageType === 'close') now.closed = String(frame['name']);
    else if (now === this.at && now.spec) this.judge(now.spec, frame);
    this.scenario.notify();
  }

  private welcomed(now: Connected, frame: Frame): void {
    if (frame['code'] !== 0) return;
    const [cursor, head, waiting] = ['inboxSeq', 'head', 'waiting'].map((name) => Number(frame[name]));
    now.spec = this.scenario.spec.loggedIn(this.spec, cursor!, head!, waiting!, now.atLeast);
    if (this.at) this.replaced.add(this.at);
    this.at = now;
  }

  private judge(link: LinkSpec, frame: Frame): void {
    const { spec, answers } = this.scenario;
    switch (frame.messageType) {
      case 'normal':
        return spec.delivered(link, frame as unknown as DeliveryFrame);
      case 'receiptConfirm':
        return spec.confirmed(this.spec, Number(frame['inboxSeq']));
      case 'normalReceipt':
      case 'invalidReceipt':
        return this.answered(frame);
      case 'historyReceipt':
        return void answers.set(String(frame['requestID']), frame);
      case 'error':
        if (typeof frame['requestID'] === 'string') return void answers.set(frame['requestID'], frame);
        if (frame['temporary'] === true && frame['sendTime'] !== undefined) return this.again(this.ofTime(frame));
    }
    spec.violations.push(`${this.name} received an unexpected frame: ${JSON.stringify(frame)}`);
  }

  private answered(frame: Frame): void {
    const { spec } = this.scenario;
    const send = this.ofTime(frame);
    if (frame.messageType === 'invalidReceipt') spec.refused(send, String(frame['name']));
    else {
      const [messageID, serverTime] = [String(frame['messageID']), String(frame['serverTime'])];
      spec.receipted(send, { messageID, serverTime, seq: Number(frame['seq']) });
    }
    this.unsettled = this.unsettled.filter((one) => one !== send);
  }

  /** Each send has a unique `sendTime`, and every answer echoes it. */
  private ofTime(frame: Frame): SendSpec {
    const send = this.scenario.spec.sends.find((one) => one.sendTime === frame['sendTime']);
    if (!send) throw new Error(`${this.name}: an answer that matches no send: ${JSON.stringify(frame)}`);
    return send;
  }

  /** Resends all unsettled messages of the conversation in order after a delay. New messages wait for that. */
  private again({ conversation }: SendSpec): void {
    if (this.pausing.has(conversation)) return;
    const timer = setTimeout(() => {
      this.pausing.delete(conversation);
      for (const send of this.unsettled) if (send.conversation === conversation) this.write(send);
    }, AGAIN_MS);
    this.pausing.set(conversation, timer);
  }

  private write(send: SendSpec): void {
    if (this.link) this.at?.link.write(send.frame);
  }

  private ended(now: Connected): void {
    const isCurrent = now === this.at;
    if (isCurrent && !this.isMoving && now.closed === 'kicked') {
      this.scenario.spec.violations.push(`${this.name} was kicked without a newer login`);
    }
    this.scenario.notify();
  }
}
