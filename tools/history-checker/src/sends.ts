import { sendKey, type Registry } from './registry.js';
import type { Violations } from './violations.js';

export interface Stored {
  messageID: string;
  conversation: string;
  seq: number;
  serverTime: string;
}

/** One message as the sending device knows it. */
export interface Send {
  user: string;
  where: string;
  target: string;
  clientMsgID: string;
  hash: string;
  invoked: number;
  stored?: Stored;
  failed: boolean;
  unknown: boolean;
  /** Every outcome reports that the message was never written to a connection. */
  neverSent: boolean;
}

/** All sends. Checks that receipts never change, that outcomes agree, and that each device's sends keep their order. */
export class Sends {
  readonly all: Send[] = [];
  readonly byKey = new Map<string, Send[]>();
  /** The key is device and client id, the only fields that answers name. */
  private readonly current = new Map<string, Send>();
  private readonly byDeviceAndTarget = new Map<string, Send[]>();

  constructor(
    private readonly violations: Violations,
    private readonly registry: Registry,
  ) {}

  invoke(
    user: string,
    where: string,
    { clientMsgID, target, hash }: { clientMsgID: string; target: string; hash: string },
  ): void {
    const id = `${where} ${clientMsgID}`;
    const before = this.current.get(id);
    if (before && before.target === target && before.hash === hash) {
      before.invoked++;
      return;
    }
    const send: Send = {
      user,
      where,
      target,
      clientMsgID,
      hash,
      invoked: 1,
      failed: false,
      unknown: false,
      neverSent: false,
    };
    this.current.set(id, send);
    this.all.push(send);
    push(this.byKey, sendKey(user, target, clientMsgID), send);
    push(this.byDeviceAndTarget, `${where} ${target}`, send);
  }

  ok(where: string, clientMsgID: string, stored: Stored): void {
    const send = this.find(where, clientMsgID);
    if (!send) return;
    if (send.failed) this.violations.add('I2', where, `${clientMsgID} was refused as invalid and then stored`);
    const before = send.stored;
    send.stored ??= stored;
    if (before && !equal(before, stored)) {
      this.violations.add('I10', where, `the receipt of ${clientMsgID} was ${text(before)}, then ${text(stored)}`);
    }
    this.registry.place(stored.messageID, stored.conversation, stored.seq, where);
    this.registry.talk(send.user, send.target, stored.conversation, where);
  }

  fail(where: string, clientMsgID: string): void {
    const send = this.find(where, clientMsgID);
    if (!send) return;
    if (send.stored) this.violations.add('I2', where, `${clientMsgID} was stored and then refused as invalid`);
    send.failed = true;
  }

  unknown(where: string, clientMsgID: string, neverSent: boolean): void {
    const send = this.find(where, clientMsgID);
    if (!send) return;
    send.unknown = true;
    send.neverSent = neverSent && send.invoked === 1;
  }

  /** Whether this device itself sent the message with this client id. */
  sentBy(where: string, to: string, clientMsgID: string | undefined): boolean {
    const send = clientMsgID === undefined ? undefined : this.current.get(`${where} ${clientMsgID}`);
    return send?.target === to;
  }

  /** Checks that one device's messages to one conversation are stored in the order of their sends. */
  checkOrder(): void {
    for (const sends of this.byDeviceAndTarget.values()) {
      let last: Send | undefined;
      for (const send of sends) {
        // A message that was retried, or sent by two devices, has no defined order.
        const alone = this.byKey.get(sendKey(send.user, send.target, send.clientMsgID))?.length === 1;
        if (!send.stored || send.unknown || send.invoked > 1 || !alone) continue;
        if (last?.stored && send.stored.seq <= last.stored.seq) {
          const what = `${send.clientMsgID} (seq ${send.stored.seq}) was sent after ${last.clientMsgID} (seq ${last.stored.seq})`;
          this.violations.add('I7', send.where, what);
        }
        last = send;
      }
    }
  }

  private find(where: string, clientMsgID: string): Send | undefined {
    const send = this.current.get(`${where} ${clientMsgID}`);
    if (!send) this.violations.add('I3', where, `received an answer for ${clientMsgID}, which was never sent`);
    return send;
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

const equal = (one: Stored, other: Stored): boolean => text(one) === text(other);
const text = ({ messageID, conversation, seq, serverTime }: Stored): string =>
  `${messageID} ${conversation} ${seq} ${serverTime}`;
