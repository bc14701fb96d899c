import { contentDigest, type Observed, type SeenMessage } from '@huizhi/client';
import type { LogLine, Stated } from '../log.js';

interface Entry extends SeenMessage {
  inboxSeq: number;
}

interface DeviceState {
  connection: number;
  cursor: number;
  online: boolean;
  /** The highest inboxSeq that was processed on this connection. */
  given: number;
  /** The last entry that was delivered; entries in between were the device's own. */
  shown: number;
}

/**
 * A tiny correct system in memory that writes the log of a correct run. Alice (two devices) and bob send to each other,
 * and so do carol and dave. Bob disconnects midway and loses a receipt. A third device of alice logs in late.
 */
export class GoodLog {
  readonly lines: LogLine[] = [];
  private readonly conversations = new Map<string, SeenMessage[]>();
  private readonly inboxes = new Map<string, Entry[]>();
  private readonly devices = new Map<string, DeviceState>();
  private readonly sent = new Set<string>();
  private clock = 0;

  static make(rounds = 6): LogLine[] {
    const log = new GoodLog();
    for (const device of ['alice/phone', 'alice/laptop', 'bob/phone', 'carol/phone', 'dave/phone']) log.connect(device);
    for (let n = 1; n <= rounds; n++) {
      log.send('alice/phone', 'bob', `a${n}`);
      log.send('bob/phone', 'alice', `b${n}`);
      log.send('carol/phone', 'dave', `c${n}`);
      if (n === 2) log.disconnect('bob/phone');
      if (n === 3) log.connect('alice/tablet');
      if (n === 4) log.connect('bob/phone');
    }
    log.send('alice/laptop', 'bob', 'resent', 2);
    log.refuse('alice/phone', 'bob', 'refused');
    log.giveUp('carol/phone', 'dave', 'given up');
    log.finish();
    return log.lines;
  }

  connect(device: string): void {
    const state = this.device(device);
    state.connection++;
    state.online = true;
    state.given = state.shown = state.cursor;
    const head = this.inbox(userOf(device)).length;
    this.say(device, {
      ev: 'connected',
      connection: state.connection,
      cursor: state.cursor,
      head,
      window: 50,
      generation: 'g',
    });
    this.deliver(device, 'batch');
  }

  disconnect(device: string): void {
    const state = this.device(device);
    state.online = false;
    this.say(device, { ev: 'closed', connection: state.connection, code: 0, name: 'connectionLost' });
    // The last receipt never arrived.
    state.cursor = Math.max(0, state.cursor - 1);
    const confirmed = this.lines.findLastIndex(
      (line) => `${line.user}/${line.device}` === device && line.ev === 'confirmed',
    );
    if (confirmed >= 0) this.lines.splice(confirmed, 1);
  }

  send(device: string, to: string, text: string, receipts = 1): void {
    const user = userOf(device);
    const hash = contentDigest('text', { text });
    this.sent.add(`${device} ${text}`);
    this.say(device, { ev: 'invoke', clientMsgID: text, target: `u:${to}`, hash });
    const conversation = `p_${[user, to].sort().join('_')}`;
    const messages = this.messages(conversation);
    const seq = messages.length + 1;
    const messageID = String(++this.clock * 1024);
    const message = { messageID, conversation, seq, from: user, to: `u:${to}`, kind: 'text', clientMsgID: text, hash };
    messages.push(message);
    for (let i = 0; i < receipts; i++) {
      this.say(device, { ev: 'ok', clientMsgID: text, messageID, conversation, seq, serverTime: String(this.clock) });
    }
    for (const concerned of [user, to]) {
      const inbox = this.inbox(concerned);
      inbox.push({ ...message, inboxSeq: inbox.length + 1 });
      for (const [other, state] of this.devices) {
        if (userOf(other) === concerned && state.online) this.deliver(other, 'live', device);
      }
    }
  }

  private refuse(device: string, to: string, text: string): void {
    this.say(device, { ev: 'invoke', clientMsgID: text, target: `u:${to}`, hash: contentDigest('text', { text }) });
    this.say(device, { ev: 'fail', clientMsgID: text, code: 1201 });
  }

  private giveUp(device: string, to: string, text: string): void {
    this.say(device, { ev: 'invoke', clientMsgID: text, target: `u:${to}`, hash: contentDigest('text', { text }) });
    this.say(device, { ev: 'unknown', clientMsgID: text, neverSent: false });
  }

  private finish(): void {
    for (const [device] of this.devices) this.say(device, { ev: 'quiet' });
    for (const [conversation, messages] of this.conversations) {
      for (const user of conversation.slice(2).split('_')) {
        this.say(`${user}/phone`, { ev: 'history', conversation, messages: structuredClone(messages) });
      }
    }
  }

  private deliver(device: string, via: 'live' | 'batch', sender?: string): void {
    const state = this.device(device);
    const entries = this.inbox(userOf(device)).slice(state.given);
    for (const { inboxSeq, ...message } of entries) {
      state.given = inboxSeq;
      if (message.from === userOf(device) && (sender === device || this.sentBy(device, message))) continue;
      this.say(device, {
        ev: 'received',
        connection: state.connection,
        via,
        inboxSeq,
        previous: state.shown,
        ...message,
      });
      state.shown = inboxSeq;
    }
    if (state.given === state.cursor) return;
    state.cursor = state.given;
    this.say(device, { ev: 'receipted', connection: state.connection, upTo: state.cursor });
    this.say(device, { ev: 'confirmed', connection: state.connection, inboxSeq: state.cursor });
  }

  private sentBy(device: string, { clientMsgID }: SeenMessage): boolean {
    return this.sent.has(`${device} ${clientMsgID}`);
  }

  private say(device: string, event: Observed | Stated): void {
    const [user = '', name = ''] = device.split('/');
    this.lines.push({ user, device: name, t: 0, ...event });
  }

  private device(name: string): DeviceState {
    let state = this.devices.get(name);
    if (!state) {
      const others = [...this.devices].filter(([other]) => userOf(other) === userOf(name));
      const cursor = Math.max(0, ...others.map(([, other]) => other.cursor));
      this.devices.set(name, (state = { connection: 0, cursor, online: false, given: 0, shown: 0 }));
    }
    return state;
  }

  private messages(conversation: string): SeenMessage[] {
    const list = this.conversations.get(conversation) ?? [];
    this.conversations.set(conversation, list);
    return list;
  }

  private inbox(user: string): Entry[] {
    const list = this.inboxes.get(user) ?? [];
    this.inboxes.set(user, list);
    return list;
  }
}

const userOf = (device: string): string => device.split('/')[0] as string;
