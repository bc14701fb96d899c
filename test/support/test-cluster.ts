import { DevEnv, type DevEnvOptions, type Service, type ServiceName, eventually } from '@huizhi/dev-env';
import { expect } from '@jest/globals';
import { Device, type DeviceOptions } from './device.js';
import { inboxHolds } from './inbox.js';

/** The whole system on real servers, with the devices of a test. */
export class TestCluster {
  private readonly devices: Device[] = [];
  private names = 0;

  private constructor(readonly system: DevEnv) {}

  static async start(options: DevEnvOptions = {}): Promise<TestCluster> {
    return new TestCluster(await DevEnv.start(options));
  }

  /** A user name that no earlier test has used. */
  name(word: string): string {
    return `${word}${++this.names}-${process.pid}`;
  }

  /** Logs a device in at the gateway with this number. */
  async device(
    user: string,
    deviceID = 'phone',
    options: Partial<DeviceOptions> & { gateway?: number } = {},
  ): Promise<Device> {
    const { gateway = 0, ...rest } = options;
    const token = await this.system.token(user);
    const device = await Device.login(this.system.addressOf(gateway), { user, deviceID, token, ...rest });
    this.devices.push(device);
    return device;
  }

  /** Creates users by a short login. */
  async known(...users: string[]): Promise<void> {
    for (const user of users) await (await this.device(user, 'first')).drop();
  }

  /** Arms failpoints in a running service: `name=action@N`. */
  async arm(service: { baseUrl: string }, failpoints: string): Promise<void> {
    const response = await fetch(`${service.baseUrl}/failpoints`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ arm: failpoints }),
    });
    expect(response.status).toBeLessThan(300);
  }

  /** Disarms all failpoints in these running services, or in all. */
  async disarm(...services: Service[]): Promise<void> {
    const those = services.length > 0 ? services : this.services().filter(({ running }) => running);
    await Promise.all(those.map(({ baseUrl }) => fetch(`${baseUrl}/failpoints`, { method: 'DELETE' })));
  }

  /** How often each failpoint has fired in all running instances of a service, by name. */
  async fired(service: ServiceName): Promise<Map<string, number>> {
    const sums = new Map<string, number>();
    for (const { baseUrl, running } of this.system.instances(service)) {
      if (!running) continue;
      const points = (await (await fetch(`${baseUrl}/failpoints`)).json()) as { name: string; fired: number }[];
      for (const { name, fired } of points) sums.set(name, (sums.get(name) ?? 0) + fired);
    }
    return sums;
  }

  services(): Service[] {
    return (['gateway', 'message', 'offline'] as const).flatMap((name) => this.system.instances(name));
  }

  /** Restores the system after a test with faults: all services run and no failpoint is armed. */
  async mended(): Promise<void> {
    await Promise.all(this.services().map((service) => (service.running ? service.waitReady() : service.restart())));
    await this.disarm();
  }

  /** Waits until every offline instance has applied all events that it knows of. */
  async noLag(withinMs = 20_000): Promise<void> {
    await eventually(
      'the lag to be zero',
      async () => {
        for (const service of this.system.instances('offline')) {
          const lag =
            (await this.metric(service, 'hz_offline_lag_events')) +
            (await this.metric(service, 'hz_offline_queued_events'));
          if (lag > 0) return undefined;
        }
        return true;
      },
      withinMs,
    );
  }

  /** Resolves when the user's inbox has this many entries. */
  inboxHolds(user: string, count: number, withinMs?: number): Promise<void> {
    return inboxHolds(this.system, user, count, withinMs);
  }

  /** The sum of a metric of a service over all labels, or over the lines that contain `label`. */
  async metric(service: { baseUrl: string }, name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${service.baseUrl}/metrics`)).text();
    const lines = text.split('\n').filter((line) => /^[^{ ]+/.exec(line)?.[0] === name && line.includes(label));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** A whole conversation by `seq`, as this device reads it. */
  async history(device: Device, to: string): Promise<{ seq: number; messageID: string; clientMsgID: string }[]> {
    const all: { seq: number; messageID: string; clientMsgID: string }[] = [];
    for (let hasMore = true; hasMore;) {
      const requestID = `h${++this.names}`;
      const afterSeq = all.at(-1)?.seq ?? 0;
      device.say({ messageType: 'history', requestID, chatType: 'userChat', toUserID: to, afterSeq, limit: 200 });
      const page = await device.next({ requestID });
      expect(page.messageType).toBe('historyReceipt');
      all.push(...(page.messages as typeof all));
      hasMore = page.hasMore as boolean;
    }
    return all;
  }

  /**
   * The final check of every crash test. Each receipted message is stored once and `seq` has no gaps. The recipient got
   * each message with the same id, in order, and no message that was not sent.
   */
  async nothingLost(sender: Device, recipient: Device, receipts: Record<string, unknown>[]): Promise<void> {
    const to = recipient.options.user;
    const stored = await this.history(sender, to);
    expect(stored.map((one) => one.seq)).toEqual(stored.map((_, n) => n + 1));
    const ids = new Map(stored.map((one) => [one.clientMsgID, one.messageID]));
    expect(ids.size).toBe(stored.length);
    for (const receipt of receipts) expect(ids.get(String(receipt.clientMsgID))).toBe(receipt.messageID);
    const seqs = new Map(stored.map((one) => [one.messageID, one.seq]));
    const mine = new Set(receipts.map((receipt) => String(receipt.messageID)));
    await recipient.until('every message', () => everyOf(mine, recipient.messageIDs));
    // Redelivery may repeat messages; the first deliveries are in order.
    const firsts = [...recipient.messageIDs].map((id) => seqs.get(id));
    expect(firsts).not.toContain(undefined);
    expect(firsts).toEqual([...firsts].sort((a, b) => a! - b!));
  }

  async stop(): Promise<void> {
    await Promise.all(this.devices.filter((device) => device.open).map((device) => device.drop()));
    await this.system.stop();
    // No service may have violated its bus permissions.
    expect(this.system.nats?.logs.filter((line) => / Violation /.test(line)) ?? []).toEqual([]);
  }
}

const everyOf = (wanted: ReadonlySet<string>, seen: ReadonlySet<string>): boolean =>
  [...wanted].every((id) => seen.has(id));
