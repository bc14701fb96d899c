import { setTimeout as delay } from 'node:timers/promises';
import type { Device } from './device.js';

export type Answer = Record<string, unknown>;

const PATIENCE_MS = 60_000;

/**
 * Sends these messages at once. Follows the protocol after temporary errors: resends them with all later messages, in
 * order. Returns the final answers in the order of sending.
 */
export async function pipeline(device: Device, to: string, ids: readonly string[]): Promise<Answer[]> {
  const settled = new Map<string, Answer>();
  const deadline = Date.now() + PATIENCE_MS;
  for (let open = [...ids]; open.length > 0;) {
    const from = device.frames.length;
    for (const id of open) device.text(to, id);
    for (const answer of await answers(device, open, from)) {
      if (answer.temporary !== true) settled.set(String(answer.clientMsgID), answer);
    }
    open = open.filter((id) => !settled.has(id));
    if (open.length === 0) break;
    if (Date.now() > deadline) throw new Error(`still unsettled: ${open.join(', ')}`);
    await delay(200);
  }
  return ids.map((id) => settled.get(id)!);
}

/**
 * The answers to these ids among the frames from index `from` on. Each frame is examined once, because there may be
 * thousands.
 */
async function answers(device: Device, ids: readonly string[], from: number): Promise<Iterable<Answer>> {
  const waited = new Set(ids);
  const found = new Map<string, Answer>();
  let next = from;
  await device.until(`answers to ${ids.length} messages from ${ids[0]} on`, () => {
    for (; next < device.frames.length; next++) {
      const frame = device.frames[next]!;
      if (Array.isArray(frame) || frame.messageType === 'normal') continue;
      const id = String(frame.clientMsgID);
      if (waited.has(id)) found.set(id, frame);
    }
    return found.size === waited.size;
  });
  return found.values();
}

/** A sender that sends one window of messages after another until it is stopped. */
export class Stream {
  private readonly receipts: Answer[] = [];
  private readonly ended: Promise<void>;
  private stopping = false;

  constructor(
    readonly device: Device,
    readonly to: string,
    readonly word = 's',
    private readonly window = 25,
  ) {
    this.ended = this.run();
    this.ended.catch(() => undefined);
  }

  get settled(): number {
    return this.receipts.length;
  }

  /** Settles the messages in flight. Returns all answers in the order of sending. */
  async stop(): Promise<Answer[]> {
    this.stopping = true;
    await this.ended;
    return this.receipts;
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const ids = Array.from({ length: this.window }, (_, n) => `${this.word}${this.receipts.length + n}`);
      this.receipts.push(...(await pipeline(this.device, this.to, ids)));
    }
  }
}

export const named = (word: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${word}${n}`);
