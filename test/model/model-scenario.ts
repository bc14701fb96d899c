import { groupIdOf } from '@huizhi/protocol';
import { Device } from './device.js';
import type { ModelCluster } from './model-cluster.js';
import type { Frame } from './link.js';
import type { ConversationSpec, SendSpec } from './facts.js';
import { PATIENCE_MS } from './model-servers.js';
import { Spec } from './spec.js';

let modelScenarios = 0;

/** The target of a message: a user by index, the group, or a user or group that does not exist. */
export type Target = 0 | 1 | 2 | 'group' | 'nobody' | 'noGroup';

/** One run: three new users, their devices, and the specification that they are checked against. */
export class ModelScenario {
  readonly spec: Spec;
  readonly devices: Device[] = [];
  /** Answers to history requests, by request id. */
  readonly answers = new Map<string, Frame>();
  /** The group of this run, after its creation was sent. */
  group: ConversationSpec | undefined;
  private readonly name = `m${++modelScenarios}`;
  private readonly waiting = new Set<() => void>();
  private ids = 0;

  constructor(readonly cluster: ModelCluster) {
    this.spec = new Spec(['a', 'b', 'c'].map((letter) => `${this.name}-${letter}`));
  }

  async begin(): Promise<void> {
    const [a, b, c] = this.spec.users;
    await Promise.all([
      this.addDevice(a!, 'phone').login(0),
      this.addDevice(b!, 'phone').login(1),
      // This user exists and receives messages, but logs in later or never.
      this.cluster.servers.directory.ensureUser(c!),
    ]);
  }

  addDevice(user: string, id: string): Device {
    const device = new Device(this.spec.addDevice(user, id), this);
    this.devices.push(device);
    return device;
  }

  newID(): string {
    this.ids += 1;
    return `${this.name}.${this.ids}`;
  }

  portOf(gateway: number): number {
    return this.cluster.gateways[gateway]!.port;
  }

  /**
   * Composes a new message whose first sender is this device. @param like a message whose client id is reused with
   * other content
   */
  compose(device: Device, target: Target, withID: boolean, like?: SendSpec): SendSpec {
    const { user, id } = device.spec;
    const text = this.newID();
    const sendTime = text;
    const { conversation, address } = like
      ? { conversation: like.conversation, address: addressIn(like) }
      : this.to(user, target);
    const clientMsgID = like ? like.clientMsgID : withID ? this.newID() : undefined;
    const frame = { messageType: 'normal', contenType: 'text', ...address, clientMsgID, sendTime, content: { text } };
    const allowed = conversation.users.length > 0;
    const key = clientMsgID
      ? `${conversation.name} ${user} ${clientMsgID}`
      : `${id} ${conversation.name} ${user} ${text}`;
    return this.spec.addSend({ user, conversation, key, clientMsgID, sendTime, text, frame, allowed }, device.spec);
  }

  /** A group of its creator and other users. It can be written to after the receipt of its creation. */
  composeGroup(device: Device, others: readonly string[]): SendSpec {
    const { user } = device.spec;
    const clientMsgID = this.newID();
    const groupID = groupIdOf(user, clientMsgID);
    const members = [...new Set([user, ...others])];
    const conversation = this.spec.conversation('group', members, groupID);
    const frame = { messageType: 'createGroup', clientMsgID, sendTime: clientMsgID, memberUserIDs: others };
    const about = { user, conversation, key: clientMsgID, clientMsgID, sendTime: clientMsgID, frame, allowed: true };
    this.group = conversation;
    return this.spec.addSend({ ...about, text: `${user} created the group` }, device.spec);
  }

  /** The address of a conversation in a history request of this user. */
  addressOf(user: string, { users, groupID }: ConversationSpec): object {
    if (groupID !== undefined) return { chatType: 'groupChat', groupID };
    return { chatType: 'userChat', toUserID: users.find((one) => one !== user) ?? user };
  }

  /** Waits until every send is answered and every pending delivery to a connected device has arrived. */
  async quiet(): Promise<void> {
    await this.until('answers to all sends', () => this.devices.every((device) => device.isSettled || !device.link));
    await this.until('all pending deliveries', () => this.devices.every((device) => !this.isLacking(device)));
  }

  /** Connects all devices, receipts all entries, and checks every invariant. */
  async finish(): Promise<void> {
    this.cluster.heal();
    await this.everybodyHere();
    await this.until('answers to all sends', () => this.ended((device) => device.isSettled));
    await this.readAll();
    await this.until('all deliveries and confirms', () =>
      this.ended((device) => {
        device.receiptAll();
        return this.spec.lacking(device.spec).length === 0 && device.isConfirmed && device.isAlone;
      }),
    );
    for (const device of this.devices) device.hangUp(false);
    await this.everybodyHere();
    this.spec.judge();
    this.verify();
  }

  /**
   * A timeout says little, so look for a violated invariant by reading all histories. @throws the violation, or the
   * given error
   */
  async explain(error: unknown): Promise<never> {
    this.cluster.heal();
    await this.readAll();
    this.verify();
    throw error;
  }

  /** @throws an error with all violated invariants */
  verify(): void {
    if (this.spec.violations.length > 0)
      throw new Error(`violated invariants:\n  ${this.spec.violations.join('\n  ')}`);
  }

  notify(): void {
    for (const look of [...this.waiting]) look();
  }

  /** Resolves when `holds()` is true. @throws when an invariant is violated meanwhile, or after PATIENCE_MS */
  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        this.waiting.delete(look);
        clearTimeout(bound);
      };
      const look = (): void => {
        try {
          this.verify();
          if (!holds()) return;
        } catch (error) {
          finish();
          return reject(error instanceof Error ? error : new Error(String(error)));
        }
        finish();
        resolve();
      };
      const bound = setTimeout(() => {
        finish();
        reject(new Error(`waited ${PATIENCE_MS} ms for ${what}\n${this.picture()}`));
      }, PATIENCE_MS);
      this.waiting.add(look);
      look();
    });
  }

  async pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.verify();
  }

  leave(): void {
    for (const device of this.devices) device.leave();
  }

  private ended(of: (device: Device) => boolean): boolean {
    // A device reconnects when a gateway closed its connection for its own reasons.
    for (const device of this.devices) if (!device.link) void this.comeBack(device);
    // Evaluate every device, because `of` also sends its receipts.
    const ends = this.devices.map((device) => device.link !== undefined && of(device));
    return ends.every(Boolean);
  }

  private readonly coming = new Map<Device, Promise<void>>();

  private comeBack(device: Device): Promise<void> {
    const known = this.coming.get(device);
    if (known) return known;
    const coming = device.login(device.spec.delivered.size % 2).catch(() => undefined);
    this.coming.set(device, coming);
    return coming.finally(() => {
      this.coming.delete(device);
      this.notify();
    });
  }

  private async everybodyHere(): Promise<void> {
    for (const device of this.devices) if (!device.link) void this.comeBack(device);
    await this.until('all devices to be connected', () => this.devices.every((device) => device.link !== undefined));
  }

  private async readAll(): Promise<void> {
    const conversations = [...this.spec.conversations.values()];
    await Promise.all(conversations.map((conversation) => this.readOne(conversation)));
  }

  private async readOne(conversation: ConversationSpec): Promise<void> {
    const reader = this.devices.find((device) => conversation.users.includes(device.spec.user));
    for (let page; reader && conversation.bySeq.size > 0 && page === undefined;) {
      page = await reader.history(this.addressOf(reader.spec.user, conversation));
      if (page === 'notAllowed') this.spec.violations.push(`${reader.name} may not read ${conversation.name}`);
      else if (page) this.spec.history(conversation, reader.spec.user, page);
      if (!reader.link) await this.comeBack(reader);
    }
  }

  private isLacking({ spec, link }: Device): boolean {
    if (!link || this.spec.lacking(spec).length === 0) return false;
    // Near the end of the window, further entries may wait for receipts.
    const first = [...spec.delivered.keys()].filter((at) => !spec.receipted.has(at)).sort((x, y) => x - y)[0];
    return first === undefined || link.last - first < 5;
  }

  private to(user: string, target: Target): { conversation: ConversationSpec; address: object } {
    if (target === 'group' && this.group) {
      const { users, groupID } = this.group;
      const address = { chatType: 'groupChat', groupID };
      if (users.includes(user)) return { conversation: this.group, address };
      return { conversation: this.spec.conversation(`group, not a member`, []), address };
    }
    if (target === 'noGroup' || target === 'group') {
      return {
        conversation: this.spec.conversation('no group', []),
        address: { chatType: 'groupChat', groupID: this.name },
      };
    }
    if (target === 'nobody') {
      const address = { chatType: 'userChat', toUserID: `${this.name}-nobody` };
      return { conversation: this.spec.conversation(`${user} to nobody`, []), address };
    }
    const peer = this.spec.users[target]!;
    const users = [...new Set([user, peer])].sort();
    const conversation = this.spec.conversation(users.join('+'), users);
    return { conversation, address: { chatType: 'userChat', toUserID: peer } };
  }

  /** The state of all devices, for the error of a timeout. */
  private picture(): string {
    const lines = this.devices.map((device) => {
      const { began, confirmed, delivered, receipted } = device.spec;
      const lacking = this.spec.lacking(device.spec).map((send) => send.text);
      const here = device.link ? `on gateway ${device.gateway}, last ${device.link.last}` : 'offline';
      return `  ${device.name}: ${here}; began ${began}, confirmed ${confirmed}, delivered ${delivered.size}, receipted ${receipted.size}, lacks ${lacking.join(' ')}`;
    });
    const open = this.spec.sends.filter((send) => send.told === 'nothing').map((send) => send.text);
    return [...lines, `  not answered: ${open.join(' ')}`].join('\n');
  }
}

const addressIn = ({ frame }: SendSpec): object => {
  const { chatType, toUserID, groupID } = frame as { chatType: string; toUserID?: string; groupID?: string };
  return { chatType, toUserID, groupID };
};
