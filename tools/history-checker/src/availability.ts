import type { Violations } from './violations.js';

/** What a run must keep to while nothing is broken on purpose. */
export interface Availability {
  /** Milliseconds from the invocation of a send to its receipt or refusal. */
  answeredWithinMs: number;
  /** For how long after a fault slowness is still its consequence, milliseconds. */
  graceMs: number;
}

interface Window {
  from: number;
  to: number;
  /** Faults of its name that are under way. */
  faults: number;
}

/** Sends that took too long although no fault was under way. Times are those of the lines. */
export class AvailabilityCheck {
  private readonly windows: Window[] = [];
  private readonly open = new Map<string, Window>();
  private readonly waiting = new Map<string, number>();
  private readonly slow: { where: string; clientMsgID: string; from: number; to: number }[] = [];
  private last = 0;

  constructor(
    private readonly violations: Violations,
    private readonly limits: Availability,
  ) {}

  at(t: number): void {
    this.last = Math.max(this.last, t);
  }

  fault(what: string, over: boolean, t: number): void {
    const window = this.open.get(what);
    if (!over) {
      if (window) window.faults++;
      else this.begin(what, { from: t, to: Infinity, faults: 1 });
    } else if (window && --window.faults === 0) {
      window.to = t + this.limits.graceMs;
      this.open.delete(what);
    }
  }

  invoke(where: string, clientMsgID: string, t: number): void {
    const id = `${where} ${clientMsgID}`;
    if (!this.waiting.has(id)) this.waiting.set(id, t);
  }

  settled(where: string, clientMsgID: string, t: number): void {
    const id = `${where} ${clientMsgID}`;
    const from = this.waiting.get(id);
    if (from === undefined) return;
    this.waiting.delete(id);
    if (t - from > this.limits.answeredWithinMs) this.slow.push({ where, clientMsgID, from, to: t });
  }

  finish(): void {
    for (const [id, from] of this.waiting) {
      const [where = '', clientMsgID = ''] = id.split(' ');
      if (this.last - from > this.limits.answeredWithinMs) this.slow.push({ where, clientMsgID, from, to: this.last });
    }
    for (const { where, clientMsgID, from, to } of this.slow) {
      if (this.windows.some((window) => window.from <= to && from <= window.to)) continue;
      this.violations.add('I15', where, `${clientMsgID} had no answer for ${to - from} ms, and nothing was broken`);
    }
  }

  private begin(what: string, window: Window): void {
    this.windows.push(window);
    this.open.set(what, window);
  }
}
