/**
 * The messages in one direction between two users, by the sender's number n = 1, 2, 3 …: times, and the seq that each
 * end received.
 */
export class Direction {
  /** Intended send times, as values of `performance.now()`; index 0 is unused. */
  readonly intended: number[] = [0];
  readonly receiptSeq: number[] = [0];
  readonly deliverySeq: number[] = [0];
  /** Number of messages receipted to the sender, and number delivered to the receiver. */
  receipted = 0;
  delivered = 0;
  /** Number of redeliveries under the same inboxSeq. They are allowed, but counted. */
  redelivered = 0;
  readonly faults: string[] = [];

  constructor(readonly name: string) {}

  get sent(): number {
    return this.intended.length - 1;
  }

  get settled(): boolean {
    return this.receipted === this.sent && this.delivered === this.sent;
  }

  begin(at: number): number {
    this.intended.push(at);
    return this.sent;
  }

  /** @returns the intended send time when this is the first receipt for n */
  receipt(n: number, seq: number): number | undefined {
    const before = this.receiptSeq[n];
    if (before !== undefined) {
      if (before !== seq) this.fault(`the receipt of ${n} changed from seq ${before} to ${seq}`);
      return undefined;
    }
    this.receiptSeq[n] = seq;
    this.receipted++;
    return this.intended[n];
  }

  /** @returns the intended send time when n is the next expected number */
  deliver(n: number, seq: number): number | undefined {
    if (n !== this.delivered + 1) {
      const what = n <= this.delivered ? 'came twice' : `came when ${this.delivered + 1} was due: lost or reordered`;
      this.fault(`${n} ${what}`);
      // Continue from n, so that one loss is one fault.
      if (n <= this.delivered) return undefined;
    }
    this.delivered = n;
    this.deliverySeq[n] = seq;
    return this.intended[n];
  }

  /** A redelivery under a known inboxSeq. It is a fault only when the message differs. */
  again(n: number, seq: number): void {
    this.redelivered++;
    if (this.deliverySeq[n] !== seq) this.fault(`${n} came again with seq ${seq}`);
  }

  fault(what: string): void {
    // A bad run can have a million faults; the first few suffice.
    if (this.faults.length < 20) this.faults.push(`${this.name}: ${what}`);
  }
}

/** The faults of a conversation after it has settled: both directions share its `seq`. */
export function conversationFaults(one: Direction, other: Direction): string[] {
  const faults = [...one.faults, ...other.faults];
  const seqs: number[] = [];
  for (const way of [one, other]) {
    let lost = 0;
    let unreceipted = 0;
    for (let n = 1; n <= way.sent; n++) {
      const receipt = way.receiptSeq[n];
      const delivery = way.deliverySeq[n];
      if (receipt === undefined) unreceipted++;
      else seqs.push(receipt);
      if (delivery === undefined) lost++;
      else if (receipt !== undefined && receipt !== delivery) {
        faults.push(`${way.name}: ${n} has seq ${receipt} in its receipt and ${delivery} in its delivery`);
      }
      if (receipt !== undefined && n > 1 && receipt <= (way.receiptSeq[n - 1] ?? 0)) {
        faults.push(`${way.name}: ${n} has a lower seq than the one sent before it`);
      }
    }
    if (lost > 0) faults.push(`${way.name}: ${lost} of ${way.sent} were not delivered`);
    if (unreceipted > 0) faults.push(`${way.name}: ${unreceipted} of ${way.sent} were not receipted`);
  }
  seqs.sort((a, b) => a - b);
  const hole = seqs.findIndex((seq, i) => seq !== i + 1);
  if (hole >= 0) faults.push(`${one.name}: the conversation's seq has ${seqs[hole]} where ${hole + 1} is due`);
  return faults;
}
