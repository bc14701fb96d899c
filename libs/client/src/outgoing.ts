import type { NormalReceipt } from '@huizhi/protocol/client';

/** A message being sent, and the promise of its outcome. */
export interface Sending {
  clientMsgID: string;
  /**
   * Resolves once the message is durable. Rejects with SendRefusedError (it is not and will not be stored) or
   * SendUnknownError (the deadline passed or the client was closed). It need not be awaited.
   */
  receipt: Promise<NormalReceipt>;
}

/** A send from an earlier run of the program. */
export interface Restored extends Sending {
  /** The frame as sent: with `toUserID` or `groupID`, `content`, `sendTime`. */
  frame: Record<string, unknown>;
}

/** One unsettled message. */
export class Outgoing {
  readonly receipt: Promise<NormalReceipt>;
  resolve!: (receipt: NormalReceipt) => void;
  reject!: (error: Error) => void;
  /** Written on the current connection and neither answered nor refused since. */
  inFlight = false;
  /** Number of copies written on the current connection without an answer. */
  unanswered = 0;
  everWritten = false;
  /** Being stored; must not be written before that is done. */
  held = false;
  writtenAt = 0;

  constructor(
    readonly clientMsgID: string,
    /** Scope of the order: `u:<user>`, `g:<group>`, or a separate one for a createGroup. */
    readonly lane: string,
    readonly json: string,
    /** Length of `json` in UTF-8 bytes. */
    readonly bytes: number,
    /** Deadline on the clock of `performance.now()` in ms, or Infinity. */
    readonly deadline: number,
  ) {
    this.receipt = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Without a handler a rejection would end the process.
    this.receipt.catch(() => undefined);
  }

  /** Whether it is the same message to the server, which ignores the client's `sendTime`. */
  is(lane: string, json: string): boolean {
    return this.lane === lane && timeless(this.json) === timeless(json);
  }
}

const timeless = (json: string): string =>
  JSON.stringify({ ...(JSON.parse(json) as Record<string, unknown>), sendTime: undefined });

/** The unsettled messages of one conversation, in order; those before `next` are in flight. */
export class OutLane {
  readonly entries: Outgoing[] = [];
  next = 0;
  /** Temporary errors since the last success. */
  refusals = 0;
  pause: ReturnType<typeof setTimeout> | undefined;
  /** Whether the lane is in the outbox's queue of turns. */
  queued = false;

  get ready(): boolean {
    return this.pause === undefined && this.entries[this.next]?.held === false;
  }

  remove(entry: Outgoing): void {
    const index = this.entries.indexOf(entry);
    if (index < 0) return;
    this.entries.splice(index, 1);
    if (index < this.next) this.next--;
  }

  /** Marks this entry and all later ones to be sent again, in order. */
  rewind(entry: Outgoing): void {
    const index = this.entries.indexOf(entry);
    if (index < 0) return;
    this.next = Math.min(this.next, index);
    for (const later of this.entries.slice(index)) later.inFlight = false;
  }
}
