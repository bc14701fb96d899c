import type { NormalReceipt } from '@huizhi/protocol/client';

/** A message on its way, or the promise of what became of it. */
export interface Sending {
  clientMsgID: string;
  /**
   * Resolves once the message is durable. Rejects with SendRefusedError (not stored and will not be) or SendUnknownError
   * (deadline or close came first). Nobody has to await it.
   */
  receipt: Promise<NormalReceipt>;
}

/** A send of an earlier run of the program. */
export interface Restored extends Sending {
  /** As it was sent: with `toUserID` or `groupID`, `content`, `sendTime`. */
  frame: Record<string, unknown>;
}

/** One unsettled message. */
export class Outgoing {
  readonly receipt: Promise<NormalReceipt>;
  resolve!: (receipt: NormalReceipt) => void;
  reject!: (error: Error) => void;
  /** Written on the current connection and neither answered nor refused since. */
  inFlight = false;
  /** Copies written on the current connection that have no answer yet. */
  unanswered = 0;
  everWritten = false;
  /** On its way into the store; not to be written before it is there. */
  held = false;
  writtenAt = 0;

  constructor(
    readonly clientMsgID: string,
    /** What is kept in order: `u:<user>`, `g:<group>`, or one of its own for a createGroup. */
    readonly lane: string,
    readonly json: string,
    /** Of `json` in UTF-8. */
    readonly bytes: number,
    /** On the clock of `performance.now()`, or Infinity. */
    readonly deadline: number,
  ) {
    this.receipt = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // A caller who does not care must not bring the process down.
    this.receipt.catch(() => undefined);
  }

  /** Whether that is this message for the server, to which the sender's clock says nothing. */
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
  /** Whether the lane waits in the outbox's turn. */
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

  /** From this entry on everything is sent again, in order. */
  rewind(entry: Outgoing): void {
    const index = this.entries.indexOf(entry);
    if (index < 0) return;
    this.next = Math.min(this.next, index);
    for (const later of this.entries.slice(index)) later.inFlight = false;
  }
}
