import { Session, type Profiler } from 'node:inspector';

/** Which code of the watched scripts has run, by character, from the engine's block coverage. */
export class Coverage {
  private readonly session = new Session();
  private readonly scripts = new Map<string, Uint8Array>();

  /** @param isWatched whether to measure the script with this URL */
  constructor(private readonly isWatched: (url: string) => boolean) {
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  stop(): void {
    this.session.post('Profiler.stopPreciseCoverage');
    this.session.disconnect();
  }

  /** Whether code ran since the last call that {@link take} has never counted. Does not count it. */
  hasNews(): boolean {
    return this.collect(false) > 0;
  }

  /** Counts the characters that ran for the first time since the last call. */
  take(): number {
    return this.collect(true);
  }

  /** The number of characters that ran, and of all characters up to the end of the last function. */
  get total(): { ran: number; of: number } {
    let ran = 0;
    let of = 0;
    for (const seen of this.scripts.values()) {
      of += seen.length;
      for (const one of seen) ran += one;
    }
    return { ran, of };
  }

  private collect(counts: boolean): number {
    let fresh = 0;
    for (const script of this.scriptsTaken()) if (this.isWatched(script.url)) fresh += this.merge(script, counts);
    return fresh;
  }

  private merge({ scriptId, functions }: Profiler.ScriptCoverage, counts: boolean): number {
    // Outer functions first, so that the counts of inner functions override them.
    const ranges = functions
      .flatMap((each) => each.ranges)
      .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    const end = ranges.reduce((most, { endOffset }) => Math.max(most, endOffset), 0);
    const now = new Uint8Array(end);
    for (const { startOffset, endOffset, count } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    const seen = this.seen(scriptId, end);
    let fresh = 0;
    for (let at = 0; at < end; at++) {
      if (now[at] !== 1 || seen[at] === 1) continue;
      if (counts) seen[at] = 1;
      fresh += 1;
    }
    return fresh;
  }

  private seen(scriptId: string, length: number): Uint8Array {
    const seen = this.scripts.get(scriptId);
    if (seen && seen.length >= length) return seen;
    const longer = new Uint8Array(length);
    if (seen) longer.set(seen);
    this.scripts.set(scriptId, longer);
    return longer;
  }

  private scriptsTaken(): Profiler.ScriptCoverage[] {
    let scripts: Profiler.ScriptCoverage[] = [];
    // The callback runs synchronously: the session is in this thread.
    this.session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error) throw error;
      scripts = result;
    });
    return scripts;
  }
}
