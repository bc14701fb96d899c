import { expect } from '@jest/globals';
import type { Device, Frame, Seen } from './device.js';

/** The sender's `normalReceipt`s, in the order of its sends. */
export type Receipts = Record<string, unknown>[];

/**
 * Compares what one device received over its connections, in order, with the expected messages. Each message must
 * arrive at least once, with one `inboxSeq`. New messages must arrive in order without gaps, and none after its
 * confirm.
 */
export function expectLedger(connections: readonly Device[], expected: readonly unknown[]): void {
  const bySeq = new Map<number, string>();
  let confirmed = 0;
  for (const connection of connections) {
    let shown = 0;
    for (const frame of connection.frames) {
      for (const { inboxSeq, messageID, prevInboxSeq } of deliveriesIn(frame)) {
        if (inboxSeq <= confirmed) throw new Error(`${inboxSeq} was delivered after the confirm of ${confirmed}`);
        const known = bySeq.get(inboxSeq) ?? messageID;
        if (known !== messageID) throw new Error(`${inboxSeq} was ${known} but is now ${messageID}`);
        bySeq.set(inboxSeq, messageID);
        if (inboxSeq <= shown) continue;
        const previous = prevInboxSeq ?? inboxSeq - 1;
        if (previous !== shown)
          throw new Error(`${inboxSeq} names ${previous} as its predecessor, but follows ${shown}`);
        shown = inboxSeq;
      }
      if (Array.isArray(frame)) continue;
      if (frame.messageType === 'loginReceipt') shown = Number(frame.inboxSeq);
      if (frame.messageType === 'receiptConfirm') confirmed = Math.max(confirmed, Number(frame.inboxSeq));
    }
  }
  const inOrder = [...bySeq.entries()].sort(([a], [b]) => a - b).map(([, messageID]) => messageID);
  expect(inOrder).toEqual(expected);
}

/** The same check for the only device of a user: its inbox is numbered 1, 2, 3 … */
export function expectWholeInbox(connections: readonly Device[], expected: readonly unknown[]): void {
  expectLedger(connections, expected);
  const numbers = new Set(connections.flatMap((one) => one.seen.map((each) => each.inboxSeq)));
  expect([...numbers].sort((a, b) => a - b)).toEqual(expected.map((_, n) => n + 1));
}

export function deliveriesIn(frame: Frame): Pick<Seen, 'inboxSeq' | 'messageID' | 'prevInboxSeq'>[] {
  if (Array.isArray(frame)) return frame as Seen[];
  return frame.messageType === 'normal' ? [frame as unknown as Seen] : [];
}

/** Sends texts at once and resolves with their receipts. Any other answer is an error. */
export async function sendTexts(sender: Device, to: string, count: number, word = 'm'): Promise<Receipts> {
  const ids = Array.from({ length: count }, (_, n) => `${word}-${to}-${n}`);
  for (const id of ids) sender.text(to, id);
  const receipts = await Promise.all(ids.map((id) => sender.answer(id)));
  for (const receipt of receipts) expect(receipt).toMatchObject({ messageType: 'normalReceipt' });
  return receipts;
}

export const idsOf = (receipts: Receipts): unknown[] => receipts.map((receipt) => receipt.messageID);

/** Sends one message after another, each until it is settled. */
export class Flow {
  readonly receipts: Receipts = [];
  private stopping = false;
  private readonly running: Promise<void>;
  private failure: unknown;

  constructor(
    private readonly sender: Device,
    private readonly to: string,
  ) {
    this.running = this.run().catch((error: unknown) => void (this.failure = error));
  }

  /** Resolves when this many more messages are receipted. */
  more(count: number): Promise<unknown> {
    const goal = this.receipts.length + count;
    const check = (): boolean => {
      if (this.failure) throw this.failure as Error;
      return this.receipts.length >= goal;
    };
    return this.sender.until(`${goal} receipts`, check, 30_000);
  }

  async stop(): Promise<Receipts> {
    this.stopping = true;
    await this.running;
    if (this.failure) throw this.failure as Error;
    return this.receipts;
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const receipt = await this.sender.settle(this.to, `f-${this.to}-${this.receipts.length}`);
      expect(receipt).toMatchObject({ messageType: 'normalReceipt' });
      this.receipts.push(receipt);
    }
  }
}
