import { expect, test } from '@jest/globals';
import type { Delivery } from '@huizhi/protocol/client';
import fc from 'fast-check';
import { Inbox } from './inbox.js';
import { MemoryStore } from './memory-store.js';
import { delivery } from './testing/fake-server.js';

/** Actions of a server on an inbox of `total` entries. The numbers are interpreted while the script runs. */
const script = fc.record({
  total: fc.integer({ min: 1, max: 40 }),
  /** Entries of the user's inbox that do not concern this device. */
  void: fc.uniqueArray(fc.integer({ min: 1, max: 40 })),
  steps: fc.array(
    fc.record({
      do: fc.constantFrom('next', 'next', 'next', 'repeat', 'skip', 'reconnect'),
      size: fc.integer({ min: 1, max: 7 }),
      back: fc.integer({ min: 0, max: 5 }),
      batch: fc.boolean(),
    }),
    { maxLength: 60 },
  ),
});

/** Runs a script against an inbox and records the results. */
class Play {
  readonly told: number[] = [];
  owed = 0;
  broken = 0;
  private sent = 0;
  private alive = false;
  private readonly inbox: Inbox;
  private readonly entries: Delivery[];

  constructor(total: number, without: readonly number[], slow: boolean) {
    const concerning = Array.from({ length: total }, (_, i) => i + 1).filter((n) => !without.includes(n));
    this.entries = concerning.map((n, i) => delivery(n, { prevInboxSeq: concerning[i - 1] ?? 0 }));
    const store = new MemoryStore();
    const saveMessages = slow
      ? async (deliveries: readonly Delivery[]): Promise<Delivery[]> => {
          await new Promise((resolve) => setImmediate(resolve));
          return store.saveMessages(deliveries);
        }
      : (deliveries: readonly Delivery[]): Delivery[] => store.saveMessages(deliveries);
    const slowStore = {
      saveMessages,
      saveCursor: (n: number) => store.saveCursor(n),
      generation: () => 'g',
      reset: () => undefined,
    };
    this.inbox = new Inbox(slowStore, 1000, {
      onStored: (_frame, fresh) => this.told.push(...fresh.map(({ seq }) => seq)),
      onOwed: (inboxSeq) => this.owe(inboxSeq),
      onOwedById: () => undefined,
      onBroken: () => {
        this.broken++;
        this.alive = false;
      },
      onFailed: (error) => {
        throw error;
      },
    });
    this.reconnect();
  }

  reconnect(): void {
    this.alive = true;
    this.sent = this.entries.findLastIndex(({ inboxSeq = 0 }) => inboxSeq <= this.owed) + 1;
    this.inbox.end();
    this.inbox.begin(this.owed, async () => undefined);
  }

  next(size: number, batch: boolean): void {
    if (!this.alive) this.reconnect();
    this.give(this.entries.slice(this.sent, this.sent + size), batch);
    this.sent = Math.min(this.entries.length, this.sent + size);
  }

  repeat(back: number, size: number): void {
    if (this.alive) this.give(this.entries.slice(Math.max(0, this.sent - back), this.sent).slice(0, size), true);
  }

  /** Skips an entry, as a server that lost it. */
  skip(): void {
    if (!this.alive || this.sent + 1 >= this.entries.length) return;
    const before = this.broken;
    this.give(this.entries.slice(this.sent + 1, this.sent + 2), false);
    expect(this.broken).toBe(before + 1);
  }

  async settle(): Promise<void> {
    while (!this.alive || this.sent < this.entries.length) this.next(5, true);
    const last = this.entries.at(-1)?.inboxSeq ?? 0;
    for (let turns = 0; turns < 1000 && this.owed < last; turns++)
      await new Promise((resolve) => setImmediate(resolve));
  }

  get expected(): number[] {
    return this.entries.map(({ seq }) => seq);
  }

  private give(entries: Delivery[], batch: boolean): void {
    if (entries.length === 0) return;
    if (batch) this.inbox.take(entries, true);
    else for (const entry of entries) this.inbox.take([entry], false);
  }

  /** Records a receipt. Every entry up to `inboxSeq` that concerns this device must have been emitted. */
  private owe(inboxSeq: number): void {
    const due = this.entries.filter((entry) => (entry.inboxSeq ?? 0) <= inboxSeq).length;
    expect(this.told.length).toBeGreaterThanOrEqual(due);
    this.owed = Math.max(this.owed, inboxSeq);
  }
}

test.each([
  ['a quick store', false],
  ['a slow store', true],
])(
  'the inbox emits each entry once and in order before its receipt, after any repeat, loss or reconnect (%s)',
  async (_, slow) => {
    await fc.assert(
      fc.asyncProperty(script, async ({ total, void: without, steps }) => {
        const play = new Play(total, without, slow);
        for (const step of steps) {
          if (step.do === 'next') play.next(step.size, step.batch);
          else if (step.do === 'repeat') play.repeat(step.back, step.size);
          else if (step.do === 'skip') play.skip();
          else play.reconnect();
          if (step.back === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await play.settle();
        expect(play.told).toEqual(play.expected);
      }),
      { numRuns: 200 },
    );
  },
);
