import { encodeLines, MAX_BUS_BYTES } from '@huizhi/protocol';
import { QueueMember, rateLimited, type Bus, type Logger } from '@huizhi/runtime';
import { type DedicatedConnection } from '@huizhi/database';
import type pg from 'pg';

export interface Answer<Head> {
  readonly head: Head;
  readonly bodies: readonly string[];
}

/**
 * Answers one kind of request from committed data. Any instance may answer, because committed data has no holes and
 * never changes. While its database connection is down, an instance leaves the queue group and the others answer.
 */
export abstract class QueryHandler<Request, Head extends object> {
  protected abstract readonly subject: string;
  /** Timeout of the caller in milliseconds. A request that has waited longer is skipped. */
  protected readonly callerTimeoutMs: number = Infinity;
  /** Reply when the database does not answer. */
  protected abstract readonly unavailable: Head;

  private readonly log: Logger;
  private member: QueueMember | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly connection: DedicatedConnection,
    log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.log = rateLimited(log);
  }

  protected abstract read(client: pg.ClientBase, request: Request): Promise<Answer<Head>>;

  listen(): void {
    this.member = new QueueMember(this.bus, this.subject, 'message', (payload, _subject, reply) => {
      if (reply) void this.answer(payload, reply, this.now() + this.callerTimeoutMs);
    });
    this.member.set(true);
  }

  private async answer(payload: Uint8Array, reply: string, until: number): Promise<void> {
    const answer = await this.inTurn(payload, until).catch((error: unknown): Answer<Head> => {
      this.log.warn('read.failed', { subject: this.subject, error });
      if (!this.connection.connected) this.pause();
      return { head: this.unavailable, bodies: [] };
    });
    if (answer) this.bus.respond(reply, encodeLines(answer.head, answer.bodies));
  }

  /** Leaves the queue group until the connection is back. */
  private pause(): void {
    this.member?.set(false);
    void this.connection.whenConnected().then(() => this.connection.connected && this.member?.set(true));
  }

  /** @returns undefined when the caller has timed out: reading for it would delay the requests behind it */
  private async inTurn(payload: Uint8Array, until: number): Promise<Answer<Head> | undefined> {
    const request = JSON.parse(new TextDecoder().decode(payload)) as Request;
    return this.connection.exclusive(async (client) => (this.now() > until ? undefined : this.read(client, request)));
  }
}

/** The first texts that fit in one bus message, at least one. `beside`: bytes that a text adds to the head. */
export function fitting(texts: readonly string[], beside: (index: number) => number): string[] {
  let bytes = 0;
  const end = texts.findIndex(
    (text, index) => (bytes += Buffer.byteLength(text) + 1 + beside(index)) > MAX_BUS_BYTES && index > 0,
  );
  return texts.slice(0, end === -1 ? texts.length : end);
}
