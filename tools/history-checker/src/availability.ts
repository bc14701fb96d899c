import type { Violations } from './violations.js';

/** Limits that a run must meet while no injected fault is active. */
export interface Availability {
  /** Milliseconds from the invocation of a send to its receipt or refusal. */
  answeredWithinMs: number;
  /** Time after a fault during which slow answers are still attributed to it, in milliseconds. */
  graceMs: number;
}

interface Window {
  from: number;
  to: number;
  /** Number of active faults with this name. */
  faults: number;
}

/** Finds sends that took too long while no fault was active. Times are those of the log lines. */
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
      this.violations.add('I15', where, `${clientMsgID} had no answer for ${to - from} ms without an injected fault`);
    }
  }

  private begin(what: string, window: Window): void {
    this.windows.push(window);
    this.open.set(what, window);
  }
}
