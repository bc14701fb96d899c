import {
  commands,
  decodeLines,
  subjects,
  type LaneAnnouncement,
  type ReceiptBatch,
  type Send,
  type SendBatch,
  type SendReceipt,
} from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';

export interface SeenSend {
  readonly send: Send;
  readonly body: Record<string, unknown>;
  readonly batch: number;
  readonly session: number;
}

/** A fake message service on the bus: stores in memory and answers as the test configures. */
export class FakeMessage {
  /** All sends received, repeats included. */
  readonly seen: SeenSend[] = [];
  /** The payloads as received. */
  readonly payloads: string[] = [];
  readonly subjects: string[] = [];
  readonly ensured: string[] = [];
  /** The receipt for a send; undefined simulates a lost answer. */
  answer: (seen: SeenSend) => SendReceipt | undefined = (seen) => this.store(seen.send);
  private readonly stored = new Map<string, SendReceipt>();
  private readonly seqs = new Map<string, number>();
  private position = 0;

  constructor(private readonly bus: Bus) {
    bus.subscribe('hz.send.>', (payload, subject) => {
      this.subjects.push(subject);
      this.take(payload);
    });
    bus.subscribe(commands.ensureUser, (payload, _, reply) => this.ensure(payload, reply));
  }

  /** Idempotent like the real service: the same client id gets the same receipt. */
  store({ conversation, clientID }: Send): SendReceipt {
    const key = `${conversation} ${clientID}`;
    const known = this.stored.get(key);
    if (known) return known;
    const seq = (this.seqs.get(conversation) ?? 0) + 1;
    this.seqs.set(conversation, seq);
    const receipt = { position: ++this.position, seq, serverTime: Date.now() };
    this.stored.set(key, receipt);
    return receipt;
  }

  takeOver(lane: number): void {
    const announcement: LaneAnnouncement = { owner: 'another', taken: true, lanes: [{ lane, epoch: 2, head: 0 }] };
    this.bus.publish(subjects.lanes('message'), JSON.stringify(announcement));
  }

  private take(payload: Uint8Array): void {
    this.payloads.push(Buffer.from(payload).toString());
    const { head, bodies } = decodeLines<SendBatch>(payload);
    const batch: ReceiptBatch = { answers: [] };
    for (const { session, lane, batch: number, sends } of head.sessions) {
      const receipts: SendReceipt[] = [];
      for (const send of sends) {
        const seen = {
          send,
          session,
          batch: number,
          body: JSON.parse(bodies.shift() ?? '') as Record<string, unknown>,
        };
        this.seen.push(seen);
        const receipt = this.answer(seen);
        if (receipt) receipts.push(receipt);
      }
      if (receipts.length === sends.length) batch.answers.push({ session, lane, batch: number, receipts });
    }
    if (batch.answers.length > 0) this.bus.publish(subjects.receipts(head.gateway), JSON.stringify(batch));
  }

  /** Answers a request of Nest's control plane in its wire format. */
  private ensure(payload: Uint8Array, reply: string | undefined): void {
    const { id, data } = JSON.parse(Buffer.from(payload).toString()) as { id: string; data: { user: string } };
    this.ensured.push(data.user);
    if (reply) this.bus.respond(reply, JSON.stringify({ id, response: {}, isDisposed: true }));
  }
}
