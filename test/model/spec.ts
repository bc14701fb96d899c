import type { ConversationSpec, DeliveryFrame, DeviceSpec, LinkSpec, Place, SendSpec } from './facts.js';

/**
 * What is promised to devices, as plain data, and the judgement of everything a device is told against it. It knows no service:
 * what it is told are the frames a device sent and got. What contradicts a promise is noted in `violations`.
 */
export class Spec {
  readonly violations: string[] = [];
  readonly sends: SendSpec[] = [];
  readonly devices: DeviceSpec[] = [];
  readonly conversations = new Map<string, ConversationSpec>();
  private readonly byText = new Map<string, SendSpec>();
  private readonly byID = new Map<string, SendSpec>();
  /** Per user, both ways between inboxSeq and messageID. */
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

  /** Promises 1, 2: what a sender is told never changes, and one client id is one message. */
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

  /** A device is back, or here for the first time. @param atLeast what its user had confirmed when it asked */
  loggedIn(device: DeviceSpec, cursor: number, head: number, waiting: number, atLeast: number): LinkSpec {
    const name = `${device.user}/${device.id}`;
    if (device.began === undefined) {
      this.claim(!device.isFirst || cursor === 0, `${name}: a user's first device began at ${cursor}`);
      this.claim(device.isFirst || cursor >= atLeast, `${name}: a later device began at ${cursor}, before ${atLeast}`);
      const others = this.devices.filter((other) => other.user === device.user && other !== device);
      const isSomebodys = device.isFirst || others.some((other) => uncovered(other, cursor) === undefined);
      this.claim(isSomebodys, `${name}: a later device began at ${cursor}, where no other device has come to`);
      device.began = cursor;
    }
    this.claim(cursor >= device.confirmed, `${name}: cursor ${cursor} after ${device.confirmed} was confirmed`);
    // What the device sent itself does not wait for it.
    const isPlausible = waiting <= head - cursor && waiting > 0 === head > cursor;
    this.claim(isPlausible, `${name}: ${waiting} are waiting between ${cursor} and ${head}`);
    this.covers(device, cursor, 'cursor at login');
    device.confirmed = Math.max(device.confirmed, cursor);
    return { device, last: cursor, head, waiting, delivered: new Map(), seqs: new Map() };
  }

  /** Promises 3, 4, 7: in order, gapless, what is this device's, never after it was confirmed. */
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
    this.claim(isTold, `${what}: more than the ${link.waiting} that the login told of, up to ${link.head}`);
  }

  /** The device receipts these entries: a claim about what it was delivered on this connection and nothing else. */
  receipts(link: LinkSpec, entries: Iterable<number>): void {
    for (const entry of entries) link.device.receipted.add(entry);
  }

  confirmed(device: DeviceSpec, upTo: number): void {
    this.covers(device, upTo, 'confirm');
    device.confirmed = Math.max(device.confirmed, upTo);
  }

  /** The furthest that any device of the user is confirmed. */
  confirmedOf(user: string): number {
    return Math.max(0, ...this.devices.filter((one) => one.user === user).map((one) => one.confirmed));
  }

  /** All of a conversation, as its members may read it. @param known the seqs that were known when it was asked for */
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

  /** What the device must have been delivered by the time everything is quiet; undefined place: not stored as far as anybody knows. */
  owed(device: DeviceSpec): SendSpec[] {
    const { began } = device;
    if (began === undefined) return [];
    return this.sends.filter(({ place, conversation, user, devices, known }) => {
      if (!place || !conversation.users.includes(device.user) || devices.has(device)) return false;
      // A copy of what the user's other device sent: only who was there is sure to get one.
      if (user === device.user && !known.has(device)) return false;
      const at = this.inboxes.get(device.user)?.seqs.get(place.messageID);
      return device.isFirst || at === undefined || at > began;
    });
  }

  lacking(device: DeviceSpec): SendSpec[] {
    const ids = new Set(device.delivered.values());
    return this.owed(device).filter(({ place }) => place && !ids.has(place.messageID));
  }

  /** When everything is settled: order of each sender, one content per client id, inboxes in conversation order. */
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
      this.claim(send.place.seq > before, `${user}'s inbox: ${nameOf(send)} at ${at} comes after seq ${before}`);
      seqs.set(send.conversation, send.place.seq);
    }
  }

  /** Promise 7, and no phantoms: it was sent, by whom it says, to where this user is. */
  private recognised(reader: string, frame: DeliveryFrame): SendSpec | undefined {
    const send = this.byText.get(frame.content.text);
    if (!send) {
      this.claim(false, `${reader} got what nobody sent in this run: ${frame.content.text}`);
      return undefined;
    }
    const { users, groupID } = send.conversation;
    this.claim(users.includes(reader), `${reader} got ${nameOf(send)}, which is for ${users.join(' and ')}`);
    this.claim(frame.fromUserID === send.user, `${nameOf(send)} came as from ${frame.fromUserID}`);
    this.claim(frame.groupID === groupID, `${nameOf(send)} came with group ${frame.groupID}`);
    this.claim(frame.clientMsgID === send.clientMsgID, `${nameOf(send)} came with client id ${frame.clientMsgID}`);
    this.claim(send.told !== 'refused', `${nameOf(send)} was refused and is there`);
    this.stored(send, { messageID: frame.messageID, seq: frame.seq, serverTime: frame.serverTime });
    return send;
  }

  private stored(send: SendSpec, place: Place): void {
    const { conversation, place: before } = send;
    this.claim(send.allowed, `${nameOf(send)} is not allowed and is stored`);
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

  /** An entry has one place in the user's inbox, the same for all its devices. */
  private entry(user: string, at: number, messageID: string, what: string): void {
    let inbox = this.inboxes.get(user);
    if (!inbox) this.inboxes.set(user, (inbox = { ids: new Map(), seqs: new Map() }));
    const [id, seq] = [inbox.ids.get(at) ?? messageID, inbox.seqs.get(messageID) ?? at];
    this.claim(id === messageID && seq === at, `${what}: the place held ${id}, the message was at ${seq}`);
    inbox.ids.set(at, messageID);
    inbox.seqs.set(messageID, at);
  }

  /** A cursor stands for receipts: nothing unreceipted may be below it, delivered or still owed. */
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

/** An entry up to the cursor that the device was delivered and has not receipted. */
function uncovered(device: DeviceSpec, cursor: number): number | undefined {
  for (const at of device.delivered.keys()) if (at <= cursor && !device.receipted.has(at)) return at;
  return undefined;
}

const nameOf = (send: SendSpec): string => `"${send.text}"`;
