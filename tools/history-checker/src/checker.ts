import { AvailabilityCheck, type Availability } from './availability.js';
import type { SeenMessage } from '@huizhi/client';
import { DeviceHistory } from './device-history.js';
import type { LogLine, Stated } from './log.js';
import { Registry, sendKey } from './registry.js';
import { Sends, type Send, type Stored } from './sends.js';
import { UserInbox } from './user-inbox.js';
import { Violations, type Violation } from './violations.js';

interface Conversation {
  messages: SeenMessage[];
  ids: Set<string>;
  participants: Set<string>;
}

export interface Verdict {
  violations: Violation[];
  /** The number of all violations; the list stops at a thousand. */
  total: number;
  counts: { lines: number; devices: number; sends: number; stored: number; received: number; conversations: number };
}

/**
 * Checks the observations of all devices against the invariants. Lines of one device must be in order; devices may be
 * interleaved. Takes time linear in the number of lines. It does not query the server, so it finds losses only for
 * devices with a `quiet` line. The lost message must be in a `history` or must have reached another device of the user.
 */
export class HistoryChecker {
  private readonly violations = new Violations();
  private readonly registry = new Registry(this.violations);
  private readonly sends = new Sends(this.violations, this.registry);
  private readonly devices = new Map<string, DeviceHistory>();
  /** The key is user and generation. */
  private readonly inboxes = new Map<string, UserInbox>();
  private readonly availability: AvailabilityCheck;
  private readonly users = new Set<string>();
  private readonly conversations = new Map<string, Conversation>();
  private lines = 0;
  private received = 0;

  /** Without limits on availability, any answer time is correct. */
  constructor(availability: Availability = { answeredWithinMs: Infinity, graceMs: 0 }) {
    this.availability = new AvailabilityCheck(this.violations, availability);
  }

  add(line: LogLine): void {
    this.lines++;
    this.availability.at(line.t);
    if (line.ev === 'fault') return this.availability.fault(line.what, line.over, line.t);
    if (line.ev === 'bound') return this.bound(line);
    this.ofDevice(line);
  }

  private ofDevice(line: Exclude<LogLine, { ev: 'fault' | 'bound' }>): void {
    const { user } = line;
    const where = `${user}/${line.device}`;
    this.users.add(user);
    const device = this.device(user, where);
    switch (line.ev) {
      case 'connected':
        return device.connected(line);
      case 'received': {
        this.received++;
        this.registry.see(line, where);
        device.take(line);
        const own = line.from === user && this.sends.sentBy(where, line.to, line.clientMsgID);
        if (own) this.violations.add('I12', where, `its own message ${line.messageID} was delivered to it`);
        return;
      }
      case 'receipted':
        return device.receipted(line);
      case 'confirmed':
        return device.settle(line.inboxSeq);
      case 'invoke':
        this.availability.invoke(where, line.clientMsgID, line.t);
        return this.sends.invoke(user, where, line);
      case 'ok':
        this.availability.settled(where, line.clientMsgID, line.t);
        return this.sends.ok(where, line.clientMsgID, line);
      case 'fail':
        this.availability.settled(where, line.clientMsgID, line.t);
        return this.sends.fail(where, line.clientMsgID);
      case 'unknown':
        return this.sends.unknown(where, line.clientMsgID, line.neverSent);
      case 'history':
        return this.history(where, line);
      case 'quiet':
        device.quiet = true;
    }
  }

  /** Called after the last line. */
  finish(): Verdict {
    this.availability.finish();
    this.sends.checkOrder();
    this.checkSends();
    this.checkMessages();
    const conversationsOf = this.byParticipant();
    for (const device of this.devices.values()) this.checkDevice(device, conversationsOf.get(device.user) ?? []);
    const stored = this.sends.all.filter((send) => send.stored).length;
    const { lines, received } = this;
    const counts = { lines, devices: this.devices.size, sends: this.sends.all.length, stored, received };
    const { list: violations, total } = this.violations;
    return { violations, total, counts: { ...counts, conversations: this.conversations.size } };
  }

  private bound({ user, device, what, value, atMost }: Extract<LogLine, { ev: 'bound' }>): void {
    if (value > atMost) this.violations.add('I13', `${user}/${device}`, `${what} is ${value}, at most ${atMost}`);
  }

  private history(where: string, { conversation, participants, messages }: Extract<Stated, { ev: 'history' }>): void {
    messages.forEach((message, i) => {
      this.registry.see(message, where);
      if (message.seq !== i + 1)
        this.violations.add('I9', where, `${conversation} has seq ${message.seq} instead of ${i + 1}`);
    });
    const pair = messages.flatMap(({ from, to }) => (to.startsWith('u:') ? [from, to.slice(2)] : [from]));
    const before = this.conversations.get(conversation);
    if (before && before.messages.length !== messages.length) {
      this.violations.add(
        'I8',
        where,
        `${conversation} has ${before.messages.length} messages for one reader and ${messages.length} for another`,
      );
    }
    this.conversations.set(conversation, {
      messages,
      ids: new Set(messages.map(({ messageID }) => messageID)),
      participants: new Set([...(before?.participants ?? []), ...(participants ?? pair)]),
    });
  }

  private checkSends(): void {
    for (const send of this.sends.all) if (send.stored) this.checkReceipt(send, send.stored);
  }

  /** Checks that the receipt's message is the one sent, at the place that the receipt names. */
  private checkReceipt(send: Send, { messageID, conversation, seq }: Stored): void {
    const { where, clientMsgID } = send;
    const message = this.registry.messages.get(messageID);
    const history = this.conversations.get(message?.conversation ?? conversation);
    if (message && !isWhatWasSent(message, send)) {
      this.violations.add('I1', where, `${clientMsgID} was receipted as ${messageID}, which is a different message`);
    } else if (message && (message.conversation !== conversation || message.seq !== seq)) {
      const told = `${clientMsgID} was receipted as ${messageID} at ${conversation} ${seq}`;
      this.violations.add('I4', where, `${told} but is at ${message.conversation} ${message.seq}`);
    }
    if (history && !history.ids.has(messageID))
      this.violations.add('I1', where, `${clientMsgID} was receipted as ${messageID} but is not in the history`);
  }

  private checkMessages(): void {
    for (const message of this.registry.messages.values()) {
      const { messageID, conversation, from } = message;
      const history = this.conversations.get(conversation);
      if (history && !history.ids.has(messageID)) {
        this.violations.add('I3', conversation, `${messageID} was observed but is not in the history`);
      }
      // The server sends tips; the sends of users without a log are unknown.
      if (message.kind === 'tip' || message.clientMsgID === undefined || !this.users.has(from)) continue;
      this.checkOrigin(message, message.clientMsgID);
    }
  }

  private checkOrigin({ messageID, from, to, hash }: SeenMessage, clientMsgID: string): void {
    const candidates = this.sends.byKey.get(sendKey(from, to, clientMsgID));
    if (!candidates) return this.violations.add('I3', from, `${messageID} (${clientMsgID}) was never sent to ${to}`);
    // One send per device that sent this message.
    const sends = candidates.filter((candidate) => candidate.hash === hash);
    if (sends.length === 0)
      return this.violations.add('I5', from, `${messageID} (${clientMsgID}) has different content than was sent`);
    for (const { where, failed, stored } of sends) {
      if (failed)
        this.violations.add('I2', where, `${clientMsgID} was refused as invalid and is stored as ${messageID}`);
      if (stored && stored.messageID !== messageID)
        this.violations.add('I4', where, `${clientMsgID} was receipted as ${stored.messageID} but is ${messageID}`);
    }
    if (sends.every(({ neverSent }) => neverSent))
      this.violations.add('I3', from, `${clientMsgID} was never written but is stored as ${messageID}`);
  }

  private checkDevice(device: DeviceHistory, theirs: readonly string[]): void {
    const { user, where } = device;
    for (const { messageID, conversation, seq, from, to, kind, clientMsgID } of this.due(device, theirs)) {
      const own = from === user && (kind === 'tip' || this.sends.sentBy(where, to, clientMsgID));
      if (!own) this.violations.add('I1', where, `${messageID} (seq ${seq} of ${conversation}) was not delivered`);
    }
    for (const { messageID, conversation } of device.received.values()) {
      const history = this.conversations.get(conversation);
      if (history && !history.participants.has(user))
        this.violations.add('I12', where, `${messageID} of ${conversation} was delivered to ${user}`);
    }
  }

  /**
   * The messages that a device must have but lacks, by the histories and by the entries of the user's other devices.
   */
  private due(device: DeviceHistory, theirs: readonly string[]): Iterable<SeenMessage> {
    const due = new Map<string, SeenMessage>();
    for (const conversation of theirs) {
      for (const message of this.conversations.get(conversation)?.messages ?? []) {
        const { messageID, seq } = message;
        if (!device.received.has(messageID) && device.mustHave(conversation, seq)) due.set(messageID, message);
      }
    }
    for (const messageID of device.missing()) {
      const message = this.registry.messages.get(messageID);
      if (message) due.set(messageID, message);
    }
    return due.values();
  }

  private byParticipant(): Map<string, string[]> {
    const byUser = new Map<string, string[]>();
    for (const [conversation, { participants }] of this.conversations) {
      for (const user of participants) entry(byUser, user, (): string[] => []).push(conversation);
    }
    return byUser;
  }

  private device(user: string, where: string): DeviceHistory {
    const inboxOf = (generation: string): UserInbox =>
      entry(this.inboxes, `${user} ${generation}`, () => new UserInbox());
    return entry(this.devices, where, () => new DeviceHistory(user, where, inboxOf, this.violations));
  }
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** A group creation has no target group yet, and the server writes its content. */
function isWhatWasSent(message: SeenMessage, { user, target, clientMsgID, hash }: Send): boolean {
  if (message.from !== user || message.clientMsgID !== clientMsgID) return false;
  return target.startsWith('new:') || (message.to === target && message.hash === hash);
}
