import type { SeenMessage } from '@huizhi/client';
import type { Violations } from './violations.js';

/** Every observed message, once. Two different observations of the same message are a violation. */
export class Registry {
  readonly messages = new Map<string, SeenMessage>();
  private readonly places = new Map<string, string>();
  private readonly conversations = new Map<string, string>();
  private readonly clientIds = new Map<string, string>();

  constructor(private readonly violations: Violations) {}

  /** @param where the device that observed the message */
  see(message: SeenMessage, where: string): void {
    const before = this.messages.get(message.messageID);
    if (before) return this.compare(before, message, where);
    this.messages.set(message.messageID, message);
    this.place(message.messageID, message.conversation, message.seq, where);
    this.talk(message.from, message.to, message.conversation, where);
    if (message.clientMsgID === undefined) return;
    const key = sendKey(message.from, message.to, message.clientMsgID);
    const other = this.clientIds.get(key);
    if (other === undefined) this.clientIds.set(key, message.messageID);
    else
      this.violations.add(
        'I4',
        where,
        `${message.clientMsgID} of ${message.from} is both ${other} and ${message.messageID}`,
      );
  }

  /** Records that a message has this position in a conversation. */
  place(messageID: string, conversation: string, seq: number, where: string): void {
    const place = `${conversation} ${seq}`;
    const other = this.places.get(place);
    if (other === undefined) this.places.set(place, messageID);
    else if (other !== messageID)
      this.violations.add('I8', where, `seq ${seq} of ${conversation} is ${other} and ${messageID}`);
  }

  /** Records the conversation of two users or of a group. Both directions must be in the same conversation. */
  talk(from: string, to: string, conversation: string, where: string): void {
    const parties = to.startsWith('u:') ? [`u:${from}`, to].sort().join(' ') : to;
    const other = this.conversations.get(parties);
    if (other === undefined) this.conversations.set(parties, conversation);
    else if (other !== conversation)
      this.violations.add('I4', where, `${parties} use both conversations ${other} and ${conversation}`);
  }

  private compare(before: SeenMessage, now: SeenMessage, where: string): void {
    const { messageID } = now;
    const differs = (field: keyof SeenMessage): boolean => before[field] !== now[field];
    if (differs('conversation') || differs('seq')) {
      this.violations.add(
        'I4',
        where,
        `${messageID} is at ${before.conversation} ${before.seq} and ${now.conversation} ${now.seq}`,
      );
    }
    for (const field of ['hash', 'kind', 'from', 'to', 'clientMsgID'] as const) {
      if (differs(field))
        this.violations.add('I5', where, `${messageID} has ${field} ${before[field]} and ${now[field]}`);
    }
  }
}

/** The scope in which a client id is unique. */
export const sendKey = (user: string, to: string, clientMsgID: string): string => `${user} ${to} ${clientMsgID}`;
