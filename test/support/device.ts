import { connect, type TLSSocket } from 'node:tls';
import type { Delivery } from '@huizhi/protocol';
import type { GatewayAddress } from '@huizhi/dev-env';

/** A frame from the server, unchanged: an object, or an array of deliveries. */
export type Frame = Record<string, unknown> | Delivery[];

/** A delivery as this device received it. */
export interface Seen extends Delivery {
  inboxSeq: number;
  via: 'live' | 'batch';
}

export interface DeviceOptions {
  user: string;
  deviceID: string;
  token: string;
  versionCode?: number;
  /** Whether to receipt each delivery when it arrives. Default true. */
  receipts?: boolean;
  /** Each line in base64, as a version 1 client sends it: the encoding includes the line end of the JSON. */
  base64?: boolean;
}

const WAIT_MS = 20_000;

/**
 * One connection of a device at the level of frames. It sends exactly what a test requests and keeps all received
 * frames. The SDK would hide the errors that these tests look for.
 */
export class Device {
  readonly frames: Frame[] = [];
  readonly seen: Seen[] = [];
  /** Resolves with the server's close frame, or undefined when there was none. */
  readonly closed: Promise<Record<string, unknown> | undefined>;
  receipts: boolean;
  private readonly listeners = new Set<() => void>();
  private readonly decoder: LineReader;
  private ended = false;

  private constructor(
    readonly options: DeviceOptions,
    readonly socket: TLSSocket,
  ) {
    this.receipts = options.receipts ?? true;
    const read = options.base64 ? frameInBase64 : frameIn;
    this.decoder = new LineReader((line) => this.take(read(line)));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.ended = true;
        this.wake();
        resolve(this.find({ messageType: 'close' }));
      });
    });
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => this.decoder.push(bytes));
  }

  /** Connects over TLS, without logging in. */
  static async connect(address: GatewayAddress, options: DeviceOptions): Promise<Device> {
    const socket = connect({ host: address.host, port: address.port, ca: address.ca, servername: 'localhost' });
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return new Device(options, socket);
  }

  /** Connects and logs in; rejects when the login is refused. */
  static async login(address: GatewayAddress, options: DeviceOptions): Promise<Device> {
    const device = await Device.connect(address, options);
    const receipt = await device.login();
    if (receipt.code !== 0) throw new Error(`the login was refused: ${JSON.stringify(receipt)}`);
    return device;
  }

  async login(): Promise<Record<string, unknown>> {
    const { user, deviceID, token, versionCode = 2 } = this.options;
    this.say({ messageType: 'login', fromUserID: user, deviceID, deviceType: 'test', versionCode, token });
    return this.next({ messageType: 'loginReceipt' });
  }

  get open(): boolean {
    return !this.ended;
  }

  say(frame: object): void {
    const line = `${JSON.stringify(frame)}\n`;
    this.raw(this.options.base64 ? `${Buffer.from(line).toString('base64')}\n` : line);
  }

  raw(bytes: string | Buffer): void {
    if (!this.ended) this.socket.write(bytes);
  }

  /** Sends a text without waiting for its answer. */
  text(to: string, clientMsgID: string, text = clientMsgID): void {
    const content = { text };
    const sendTime = String(Date.now());
    const target = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: to };
    this.say({ ...target, clientMsgID, sendTime, content });
  }

  /**
   * The first answer to a client id that no earlier call returned: normalReceipt, invalidReceipt or a temporary error.
   */
  answer(clientMsgID: string): Promise<Record<string, unknown>> {
    return this.next({ clientMsgID }, (frame) => frame.messageType !== 'normal');
  }

  /** Sends the message until it has a final answer. Waits 200 ms after each temporary error. */
  async settle(to: string, clientMsgID: string, text = clientMsgID): Promise<Record<string, unknown>> {
    const deadline = Date.now() + 40_000;
    for (;;) {
      this.text(to, clientMsgID, text);
      const answer = await this.answer(clientMsgID);
      if (answer.temporary !== true) return answer;
      if (Date.now() > deadline) throw new Error(`${clientMsgID} is still unsettled: ${JSON.stringify(answer)}`);
      await this.pause(200);
    }
  }

  private readonly taken = new Set<Frame>();

  /** Waits for the next object frame with these fields that no earlier call returned. */
  next(
    fields: Record<string, unknown>,
    also?: (frame: Record<string, unknown>) => boolean,
  ): Promise<Record<string, unknown>> {
    return this.until(`a frame with ${JSON.stringify(fields)}`, () => {
      const found = this.find(fields, (frame) => !this.taken.has(frame) && (also?.(frame) ?? true));
      if (found) this.taken.add(found);
      return found;
    });
  }

  find(
    fields: Record<string, unknown>,
    also: (frame: Record<string, unknown>) => boolean = () => true,
  ): Record<string, unknown> | undefined {
    return this.frames.find((frame): frame is Record<string, unknown> => {
      if (Array.isArray(frame)) return false;
      return Object.entries(fields).every(([name, value]) => frame[name] === value) && also(frame);
    });
  }

  /** Resolves when this many different messages have arrived. */
  async sawMessages(count: number): Promise<Seen[]> {
    await this.until(`${count} messages`, () => this.messageIDs.size >= count);
    return this.seen;
  }

  get messageIDs(): Set<string> {
    return new Set(this.seen.map((one) => one.messageID));
  }

  /** Resolves when the server has confirmed all entries up to this `inboxSeq`. */
  confirmed(inboxSeq: number): Promise<unknown> {
    return this.until(`confirmation of ${inboxSeq}`, () =>
      this.frames.some(
        (frame) =>
          !Array.isArray(frame) && frame.messageType === 'receiptConfirm' && Number(frame.inboxSeq) >= inboxSeq,
      ),
    );
  }

  /** Resolves with the result of `ask` when it is neither `false` nor `undefined`. Calls `ask` after every frame. */
  until<T>(what: string, ask: () => T | false | undefined, withinMs = WAIT_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(bound);
        this.listeners.delete(check);
      };
      const check = (): void => {
        const answer = ask();
        if (answer !== undefined && answer !== false) {
          finish();
          resolve(answer);
        } else if (this.ended) {
          finish();
          reject(
            new Error(`${this.options.user}: closed while waiting for ${what}: ${JSON.stringify(this.frames.at(-1))}`),
          );
        }
      };
      const bound = setTimeout(() => {
        finish();
        reject(
          new Error(
            `${this.options.user}: waited ${withinMs} ms for ${what}; last: ${JSON.stringify(this.frames.slice(-3))}`,
          ),
        );
      }, withinMs);
      this.listeners.add(check);
      check();
    });
  }

  /** Destroys the connection at once, like a network failure. */
  async drop(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  receipt(fields: { messageID?: string; messageIDs?: string[]; upTo?: number }): void {
    this.say({ messageType: 'receipt', ...fields });
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  private take(frame: Frame): void {
    this.frames.push(frame);
    const deliveries = Array.isArray(frame)
      ? frame
      : frame.messageType === 'normal'
        ? [frame as unknown as Delivery]
        : [];
    const via = Array.isArray(frame) ? 'batch' : 'live';
    for (const delivery of deliveries) this.seen.push({ ...delivery, inboxSeq: Number(delivery.inboxSeq), via });
    if (this.receipts && deliveries.length > 0) this.receipt({ messageIDs: deliveries.map((one) => one.messageID) });
    this.wake();
  }

  private wake(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

const frameIn = (line: string): Frame => JSON.parse(line) as Frame;

const frameInBase64 = (line: string): Frame => frameIn(Buffer.from(line, 'base64').toString('utf8'));

/** Splits lines. It accepts arrays of frames, which the server's decoder refuses. */
class LineReader {
  private rest = Buffer.alloc(0);

  constructor(private readonly onLine: (line: string) => void) {}

  push(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (let end = this.rest.indexOf(10); end !== -1; end = this.rest.indexOf(10)) {
      const line = this.rest.subarray(0, end).toString('utf8');
      this.rest = this.rest.subarray(end + 1);
      this.onLine(line);
    }
  }
}
