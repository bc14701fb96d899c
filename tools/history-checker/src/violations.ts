/**
 * The invariants.
 *
 * I1 no loss · I2 an unknown outcome resolves one way, a refused message is not stored · I3 no phantom · I4 client id ↔
 * messageID ↔ (conversation, seq) is a bijection · I5 repeats are equal in id, seq and hash · I6 confirmed entries are
 * never redelivered, and only receipted ones are confirmed · I7 order on each connection and of each device's sends ·
 * I8 the same order everywhere · I9 seq without holes · I10 a receipt never changes · I12 isolation · I13 bounds: the
 * window, and any bound that a test states · I15 sends are answered in time while no injected fault is active.
 */
export type Rule = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'I12' | 'I13' | 'I15';

export interface Violation {
  rule: Rule;
  /** The observing device, `user/device`, or the conversation. */
  where: string;
  what: string;
}

const KEPT = 1000;

/** Keeps the first thousand and counts the rest: one bug can violate an invariant for every message. */
export class Violations {
  readonly list: Violation[] = [];
  total = 0;

  add(rule: Rule, where: string, what: string): void {
    this.total++;
    if (this.list.length < KEPT) this.list.push({ rule, where, what });
  }
}
