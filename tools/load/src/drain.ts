import { setTimeout as delay } from 'node:timers/promises';
import { cpuSnapshot, cpuUse, round } from './cpu.js';
import { Latency } from './latency.js';
import type { LoadConnection, LoadFrame } from './load-connection.js';
import type { Mode } from './mode.js';
import type { BenchOptions } from './options.js';
import type { Run } from './result.js';
import { inParallel, type LoadedSystem } from './system.js';

const SENDERS = 20;
const PIPELINED = 100;
const RECEIPT_MS = 20;
const GIVE_UP_MS = 120_000;

/** All users reconnect at once and receive the messages that were sent while they were offline. */
export const drain: Mode = {
  description: 'time until users that were offline have received and receipted all messages and got the confirms',
  defaults: { sessions: 500, messages: 50_000, bytes: 250 },
  unit: 'message',
  gatewayEnv: () => ({ HZ_FRAMES_PER_SECOND: '100000' }),
  run: measure,
};

async function measure(
  system: LoadedSystem,
  { sessions, messages, bytes }: BenchOptions,
  print: (line: string) => void,
): Promise<Run> {
  const each = Math.ceil(messages / sessions);
  const users = Array.from({ length: sessions }, (_, n) => system.user(n));
  await inParallel(sessions, 16, async (n) => (await system.login(users[n] as string)).connection.close());
  print(`· ${each} messages for each of ${sessions} offline users`);
  await inParallel(SENDERS, SENDERS, (n) =>
    fill(
      system,
      n,
      users.filter((_, i) => i % SENDERS === n),
      each,
      bytes,
    ),
  );
  await inParallel(sessions, 16, (n) => untilWaiting(system, users[n] as string, each));

  print('· the users reconnect');
  const firsts = new Latency();
  const before = cpuSnapshot(system.parts);
  const returning: Returning[] = [];
  const receipting = setInterval(() => returning.forEach((user) => user.sayReceipts()), RECEIPT_MS);
  try {
    await inParallel(sessions, 64, async (n) => {
      const { connection } = await system.login(users[n] as string);
      returning.push(new Returning(users[n] as string, each, before.at, firsts, connection));
    });
    const loggedIn = performance.now();
    while (system.crash === undefined && performance.now() - before.at < GIVE_UP_MS) {
      if (returning.every(({ done }) => done)) break;
      await delay(5);
    }
    const after = cpuSnapshot(system.parts);
    const faults = [...system.faults, ...returning.flatMap(({ faultsAtEnd }) => faultsAtEnd)];
    const took = (after.at - before.at) / 1000;
    return {
      faults,
      figures: {
        'all logged in after (s)': round((loggedIn - before.at) / 1000),
        'all delivered and confirmed after (s)': round(took),
        'messages/s': Math.round((each * sessions) / took),
      },
      latencies: { 'from the start to the first batch': firsts.percentiles },
      cpu: cpuUse(before, after, each * sessions),
    };
  } finally {
    clearInterval(receipting);
    for (const user of returning) user.close();
  }
}

/** Sends `each` messages to each user in turn, numbered 1 … each, with at most 100 unanswered. */
async function fill(system: LoadedSystem, n: number, users: string[], each: number, bytes: number): Promise<void> {
  const { connection } = await system.login(`sender-${system.user(n)}`);
  const total = users.length * each;
  let sent = 0;
  let settled = 0;
  const send = (): void => {
    const to = users[sent % users.length] as string;
    const number = Math.floor(sent / users.length) + 1;
    sent++;
    const content = { text: `${number} ${'x'.repeat(Math.max(1, bytes - 170))}` };
    const frame = {
      messageType: 'normal',
      chatType: 'userChat',
      contenType: 'text',
      toUserID: to,
      clientMsgID: `d${number}`,
      content,
    };
    connection.send(JSON.stringify(frame));
  };
  await new Promise<void>((resolve, reject) => {
    connection.onLost = (why) => reject(new Error(why));
    connection.onFrame = (frame) => {
      if (Array.isArray(frame)) return;
      if (frame.messageType === 'normalReceipt') {
        if (++settled === total) resolve();
        else if (sent < total) send();
      } else if (frame.messageType === 'invalidReceipt' || frame.messageType === 'error') {
        reject(new Error(`a message was refused: ${String(frame.name)}`));
      }
    };
    while (sent < Math.min(PIPELINED, total)) send();
  }).finally(() => connection.close());
}

/** Waits until all messages are in the inbox, which happens shortly after the sender's receipt. */
async function untilWaiting(system: LoadedSystem, user: string, each: number): Promise<void> {
  for (let attempt = 0; attempt < 15; attempt++) {
    const { connection, receipt } = await system.login(user);
    connection.close();
    if (receipt.waiting === each) return;
    await delay(1000);
  }
  throw new Error(`${each} messages were sent to ${user} but are not in its inbox`);
}

/** A user that reconnects: receives, checks and receipts its messages. */
class Returning {
  readonly faults: string[] = [];
  private received = 0;
  private head = 0;
  private said = 0;
  private confirmed = 0;

  constructor(
    private readonly user: string,
    private readonly each: number,
    private readonly start: number,
    private readonly firsts: Latency,
    private readonly connection: LoadConnection,
  ) {
    connection.onFrame = (frame) => this.read(frame);
    connection.onLost = (why) => this.faults.push(`${user}: ${why}`);
  }

  get done(): boolean {
    return this.faults.length > 0 || (this.received === this.each && this.confirmed >= this.head);
  }

  sayReceipts(): void {
    if (this.head === this.said) return;
    this.said = this.head;
    this.connection.send(`{"messageType":"receipt","upTo":${this.head}}`);
  }

  /** The faults after the deadline, with missing messages and confirms. */
  get faultsAtEnd(): string[] {
    if (this.done) return this.faults;
    const what = `got ${this.received} of ${this.each}, receipts confirmed up to ${this.confirmed} of ${this.head}`;
    return [...this.faults, `${this.user}: ${what}`];
  }

  close(): void {
    this.connection.close();
  }

  private read(frame: LoadFrame | LoadFrame[]): void {
    if (!Array.isArray(frame)) {
      if (frame.messageType === 'receiptConfirm') this.confirmed = frame.inboxSeq as number;
      else if (frame.messageType === 'normal') this.take(frame);
      return;
    }
    for (const entry of frame) this.take(entry);
  }

  private take(entry: LoadFrame): void {
    if (this.received === 0) this.firsts.record(performance.now() - this.start);
    const inboxSeq = entry.inboxSeq as number;
    if (inboxSeq <= this.head) return;
    this.head = inboxSeq;
    const number = Number.parseInt((entry.content as { text: string }).text, 10);
    if (number !== ++this.received) this.faults.push(`${this.user}: received ${number} instead of ${this.received}`);
  }
}
