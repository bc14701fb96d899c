import { encodeLines, MAX_BUS_BYTES, type GatewayBatch } from '@huizhi/protocol';

/**
 * A body and its length in bytes. The object is its identity: a message contains each body once for all its sessions.
 */
export interface Line {
  readonly body: string;
  readonly bytes: number;
}

/** Bytes reserved for the fixed fields of the head. */
const BASE_BYTES = 256;
/** Maximum bytes of one entry in the head: three numbers, brackets, commas. */
const ENTRY_BYTES = 52;

/** The numbered messages to one gateway. */
export class SequencedStream {
  sentAt = performance.now();
  private n = 0;
  private batch: Omit<GatewayBatch, 'from' | 'n'> = {};
  private lines = new Map<Line, number>();
  private bytes = BASE_BYTES;
  private empty = true;

  constructor(
    private readonly from: string,
    private readonly send: (payload: string) => void,
  ) {}

  deliver(session: number, inboxSeq: number, line: Line | undefined): void {
    const known = line === undefined || this.lines.has(line);
    this.makeRoom(ENTRY_BYTES + (known ? 0 : line.bytes + 1));
    (this.batch.deliver ??= []).push([session, inboxSeq, line === undefined ? -1 : this.lineOf(line)]);
  }

  confirm(session: number, cursor: number): void {
    this.makeRoom(ENTRY_BYTES);
    (this.batch.confirm ??= []).push([session, cursor]);
  }

  kick(session: number): void {
    this.makeRoom(ENTRY_BYTES);
    (this.batch.kick ??= []).push(session);
  }

  revoked(session: number): void {
    this.makeRoom(ENTRY_BYTES);
    (this.batch.revoked ??= []).push(session);
  }

  attached(session: number, cursor: number, head: number): void {
    this.makeRoom(ENTRY_BYTES);
    (this.batch.attached ??= []).push([session, cursor, head]);
  }

  flush(now: number): void {
    if (this.empty) return;
    const bodies = [...this.lines.keys()].map((line) => line.body);
    const batch: GatewayBatch = { from: this.from, n: ++this.n, ...this.batch };
    this.sentAt = now;
    this.batch = {};
    this.lines = new Map();
    this.bytes = BASE_BYTES;
    this.empty = true;
    this.send(encodeLines(batch, bodies));
  }

  /** Repeats the last number, so that a gateway that missed that message detects it. */
  tick(): void {
    const batch: GatewayBatch = { from: this.from, n: this.n, tick: true };
    this.send(JSON.stringify(batch));
  }

  private makeRoom(bytes: number): void {
    if (this.bytes + bytes > MAX_BUS_BYTES) this.flush(performance.now());
    this.bytes += bytes;
    this.empty = false;
  }

  private lineOf(line: Line): number {
    let index = this.lines.get(line);
    if (index === undefined) {
      index = this.lines.size;
      this.lines.set(line, index);
    }
    return index;
  }
}
