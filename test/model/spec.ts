import type { ConversationSpec, DeliveryFrame, DeviceSpec, LinkSpec, Place, SendSpec } from './facts.js';

/**
 * The promises to devices as plain data. Judges every frame that a device sends or receives, without knowledge of any
 * service. `violations` collects every contradiction of a promise.
 */
export class Spec {
  readonly violations: string[] = [];
  readonly sends: SendSpec[] = [];
  readonly devices: DeviceSpec[] = [];
  readonly conversations = new Map<string, ConversationSpec>();
  private readonly byText = new Map<string, SendSpec>();
  private readonly byID = new Map<string, SendSpec>();
  /** Per user, the mapping between inboxSeq and messageID in both directions. */
  private readonly inboxes = new Map<string, { ids: Map<number, string>; seqs: Map<string, number> }>();

  constructor(readonly users: readonly string[]) {}

  conversation(name: string, users: readonly string[], groupID?: string): ConversationSpec {
    let known = this.conversations.get(name);
    if (!known) this.conversations.set(name, (known = { name, users, groupID, bySeq: new Map() }));
    return known;
  }

  addDevice(user: string, id: string): DeviceSpec {
    const isFirst = !this.devices.some((device) => device.user === user);
    const device: DeviceSpec = {
      ...{ user, id, isFirst, began: undefined, confirmed: 0 },
      ...{ delivered: new Map(), receipted: new Set<number>() },
    };
    this.devices.push(device);
    return device;
  }

  addSend(about: Omit<SendSpec, 'n' | 'devices' | 'told' | 'place' | 'known'>, device: DeviceSpec): SendSpec {
    const known = new Set(this.devices.filter((one) => one.began !== undefined));
    const devices = new Set([device]);
    const send: SendSpec = { ...about, n: this.sends.length, devices, known, told: 'nothing', place: undefined };
    this.sends.push(send);
    this.byText.set(send.text, send);
    return send;
  }

  /** Promises 1 and 2: the receipt of a message never changes, and one client id is one message. */
  receipted(send: SendSpec, place: Place): void {
    this.claim(send.told !== 'refused', `${nameOf(send)}: stored after it was refused`);
    send.told = 'stored';
    this.stored(send, place);
  }

  refused(send: SendSpec, why: string): void {
    this.claim(send.place === undefined, `${nameOf(send)}: refused (${why}), but it is stored`);
    const isConflict = this.sends.some((other) => other !== send && other.key === send.key);
    this.claim(!send.allowed || isConflict, `${nameOf(send)}: refused (${why}) without a reason`);
    send.told = 'refused';
  }

  /** Checks a login. @param atLeast the cursor that the user had confirmed when the login was sent */
  loggedIn(device: DeviceSpec, cursor: number, head: number, waiting: number, atLeast: number): LinkSpec {
    const name = `${device.user}/${device.id}`;
    if (device.began === undefined) {
      this.claim(!device.isFirst || cursor === 0, `${name}: a user's first device began at ${cursor}`);
      this.claim(device.isFirst || cursor >= atLeast, `${name}: a later device began at ${cursor}, before ${atLeast}`);
      const others = this.devices.filter((other) => other.user === device.user && other !== device);
      const isSomebodys = device.isFirst || others.some((other) => uncovered(other, cursor) === undefined);
      this.claim(isSomebodys, `${name}: a later device began at ${cursor}, which is no other device's cursor`);
      device.began = cursor;
    }
    this.claim(cursor >= device.confirmed, `${name}: cursor ${cursor} after ${device.confirmed} was confirmed`);
    // Messages that the device itself sent are not waiting for it.
    const isPlausible = waiting <= head - cursor && waiting > 0 === head > cursor;
    this.claim(isPlausible, `${name}: ${waiting} are waiting between ${cursor} and ${head}`);
    this.covers(device, cursor, 'cursor at login');
    device.confirmed = Math.max(device.confirmed, cursor);
    return { device, last: cursor, head, waiting, delivered: new Map(), seqs: new Map() };
  }

  /** Promises 3, 4 and 7: deliveries are in order, without gaps, for this device, and never after their confirm. */
  delivered(link: LinkSpec, frame: DeliveryFrame): void {
    const { device } = link;
    const send = this.recognised(device.user, frame);
    if (!send) return;
    const at = frame.inboxSeq ?? 0;
    const what = `${device.user}/${device.id}: ${nameOf(send)} at ${at}`;
    this.claim(at > device.confirmed, `${what} delivered after ${device.confirmed} was confirmed`);
    this.claim((frame.prevInboxSeq ?? at - 1) === link.last && at > link.last, `${what} does not follow ${link.last}`);
    this.claim(send.devices.size > 1 || !send.devices.has(device), `${what} delivered to the device that sent it`);
    this.entry(device.user, at, frame.messageID, what);
    const seq = link.seqs.get(send.conversation) ?? 0;
    this.claim(frame.seq > seq, `${what}: seq ${frame.seq} delivered after ${seq}`);
    link.seqs.set(send.conversation, frame.seq);
    link.last = at;
    link.delivered.set(frame.messageID, at);
    device.delivered.set(at, frame.messageID);
    const isTold = at > link.head || link.delivered.size <= link.waiting;
    this.claim(isTold, `${what}: more than the ${link.waiting} that the login announced, up to ${link.head}`);
  }

  /** Records the device's receipts. They count only for deliveries on this connection. */
  receipts(link: LinkSpec, entries: Iterable<number>): void {
    for (const entry of entries) link.device.receipted.add(entry);
  }

  confirmed(device: DeviceSpec, upTo: number): void {
    this.covers(device, upTo, 'confirm');
    device.confirmed = Math.max(device.confirmed, upTo);
  }

  /** The highest confirmed cursor of the user's devices. */
  confirmedOf(user: string): number {
    return Math.max(0, ...this.devices.filter((one) => one.user === user).map((one) => one.confirmed));
  }

  /**
   * Checks a whole conversation as a member reads it. @param known the seqs that were known at the time of the request
   */
  history(
    conversation: ConversationSpec,
    reader: string,
    entries: readonly DeliveryFrame[],
    known: Iterable<number> = conversation.bySeq.keys(),
  ): void {
    let time = 0;
    entries.forEach((frame, index) => {
      this.recognised(reader, frame);
      const where = `${conversation.name}, read by ${reader}`;
      this.claim(frame.seq === index + 1, `${where}: seq ${frame.seq} at place ${index + 1}`);
      this.claim(Number(frame.serverTime) >= time, `${where}: serverTime goes back at seq ${frame.seq}`);
      time = Number(frame.serverTime);
    });
    for (const seq of known) {
      this.claim(
        seq <= entries.length,
        `${conversation.name}: seq ${seq} is known, the history ends at ${entries.length}`,
      );
    }
  }

  /**
   * The messages that the device must have received once the system has settled. Sends without a known place are left
   * out.
   */
  owed(device: DeviceSpec): SendSpec[] {
    const { began } = device;
    if (began === undefined) return [];
    return this.sends.filter(({ place, conversation, user, devices, known }) => {
      if (!place || !conversation.users.includes(device.user) || devices.has(device)) return false;
      // A copy of the other device's message is certain only for devices that existed at its first send.
      if (user === device.user && !known.has(device)) return false;
      const at = this.inboxes.get(device.user)?.seqs.get(place.messageID);
      return device.isFirst || at === undefined || at > began;
    });
  }

  lacking(device: DeviceSpec): SendSpec[] {
    const ids = new Set(device.delivered.values());
    return this.owed(device).filter(({ place }) => place && !ids.has(place.messageID));
  }

  /** Final checks: the order of each sender, one content per client id, inboxes in the order of conversations. */
  judge(): void {
    const last = new Map<string, SendSpec>();
    const winners = new Map<string, SendSpec>();
    for (const send of this.sends) {
      this.claim(send.told !== 'nothing', `${nameOf(send)}: was never answered`);
      if (send.told !== 'stored' || !send.place) continue;
      const winner = winners.get(send.key);
      this.claim(!winner, `${nameOf(send)} and ${winner ? nameOf(winner) : ''} are both stored under ${send.key}`);
      winners.set(send.key, send);
      if (send.devices.size > 1) continue;
      const [device] = send.devices;
      const lane = `${device?.user}/${device?.id} to ${send.conversation.name}`;
      const before = last.get(lane);
      if (before?.place)
        this.claim(before.place.seq < send.place.seq, `${lane}: ${nameOf(send)} overtook ${nameOf(before)}`);
      last.set(lane, send);
    }
    for (const conversation of this.conversations.values()) {
      const seqs = [...conversation.bySeq.keys()].sort((a, b) => a - b);
      const whole = seqs.every((seq, index) => seq === index + 1);
      this.claim(whole, `${conversation.name}: seqs are ${seqs.join(', ')}`);
    }
    for (const [user, { ids }] of this.inboxes) this.judgeInbox(user, ids);
  }

  private judgeInbox(user: string, ids: ReadonlyMap<number, string>): void {
    const seqs = new Map<ConversationSpec, number>();
    for (const [at, id] of [...ids].sort(([a], [b]) => a - b)) {
      const send = this.byID.get(id);
      if (!send?.place) continue;
      const before = seqs.get(send.conversation) ?? 0;
      this.claim(send.place.seq > before, `${user}'s inbox: ${nameOf(send)} at ${at} follows seq ${before}`);
      seqs.set(send.conversation, send.place.seq);
    }
  }

  /** Promise 7: the message was sent in this run, by that sender and to this user. */
  private recognised(reader: string, frame: DeliveryFrame): SendSpec | undefined {
    const send = this.byText.get(frame.content.text);
    if (!send) {
      this.claim(false, `${reader} received a message that was not sent in this run: ${frame.content.text}`);
      return undefined;
    }
    const { users, groupID } = send.conversation;
    this.claim(users.includes(reader), `${reader} received ${nameOf(send)}, which is for ${users.join(' and ')}`);
    this.claim(frame.fromUserID === send.user, `${nameOf(send)} arrived with sender ${frame.fromUserID}`);
    this.claim(frame.groupID === groupID, `${nameOf(send)} arrived with group ${frame.groupID}`);
    this.claim(frame.clientMsgID === send.clientMsgID, `${nameOf(send)} arrived with client id ${frame.clientMsgID}`);
    this.claim(send.told !== 'refused', `${nameOf(send)} was refused but is stored`);
    this.stored(send, { messageID: frame.messageID, seq: frame.seq, serverTime: frame.serverTime });
    return send;
  }

  private stored(send: SendSpec, place: Place): void {
    const { conversation, place: before } = send;
    this.claim(send.allowed, `${nameOf(send)} is not allowed but is stored`);
    const same = !before || (before.messageID === place.messageID && before.seq === place.seq);
    this.claim(
      same && (!before || before.serverTime === place.serverTime),
      `${nameOf(send)} is ${JSON.stringify(before)} and ${JSON.stringify(place)}`,
    );
    const [atID, atSeq] = [this.byID.get(place.messageID), conversation.bySeq.get(place.seq)];
    this.claim(!atID || atID === send, `${nameOf(send)} has the messageID of ${atID && nameOf(atID)}`);
    this.claim(!atSeq || atSeq === send, `${nameOf(send)} has the seq of ${atSeq && nameOf(atSeq)}`);
    send.place ??= place;
    this.byID.set(place.messageID, send);
    conversation.bySeq.set(place.seq, send);
  }

  /** An entry has one inboxSeq, the same on all devices of the user. */
  private entry(user: string, at: number, messageID: string, what: string): void {
    let inbox = this.inboxes.get(user);
    if (!inbox) this.inboxes.set(user, (inbox = { ids: new Map(), seqs: new Map() }));
    const [id, seq] = [inbox.ids.get(at) ?? messageID, inbox.seqs.get(messageID) ?? at];
    this.claim(id === messageID && seq === at, `${what}: the place held ${id}, the message was at ${seq}`);
    inbox.ids.set(at, messageID);
    inbox.seqs.set(messageID, at);
  }

  /** No entry at or below a cursor may be unreceipted or undelivered. */
  private covers(device: DeviceSpec, cursor: number, what: string): void {
    const at = uncovered(device, cursor);
    const covers = `${device.user}/${device.id}: ${what} ${cursor} covers`;
    this.claim(at === undefined, `${covers} ${at}, which it has not receipted`);
    const seqs = this.inboxes.get(device.user)?.seqs;
    const missed = this.lacking(device).find(
      ({ place }) => place && (seqs?.get(place.messageID) ?? Infinity) <= cursor,
    );
    this.claim(!missed, `${covers} ${missed && nameOf(missed)}, which it was never delivered`);
  }

  private claim(holds: boolean, otherwise: string): void {
    if (!holds) this.violations.push(otherwise);
  }
}

/** An entry at or below the cursor that the device received but has not receipted. */
function uncovered(device: DeviceSpec, cursor: number): number | undefined {
  for (const at of device.delivered.keys()) if (at <= cursor && !device.receipted.has(at)) return at;
  return undefined;
}

const nameOf = (send: SendSpec): string => `"${send.text}"`;
