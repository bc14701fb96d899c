import { encodeLines, MAX_BUS_BYTES } from '@huizhi/protocol';
import { QueueMember, rateLimited, type Bus, type Logger } from '@huizhi/runtime';
import { type DedicatedConnection } from '@huizhi/database';
import type pg from 'pg';

export interface Answer<Head> {
  readonly head: Head;
  readonly bodies: readonly string[];
}

/**
 * Answers one kind of request from what is committed. Any instance may, owner or not: what is committed has no holes and never
 * changes. While its connection to the database is down it is no member of the queue group, so that the other instances are asked.
 */
export abstract class QueryHandler<Request, Head extends object> {
  protected abstract readonly subject: string;
  /** How long an asker waits, milliseconds: then it asks again, or somebody else. */
  protected readonly callerTimeoutMs: number = Infinity;
  /** Said when the database does not answer. */
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

  /** Until the connection is back. */
  private pause(): void {
    this.member?.set(false);
    void this.connection.whenConnected().then(() => this.connection.connected && this.member?.set(true));
  }

  /** Undefined when the asker has timed out meanwhile: reading for it would make the requests behind it late as well. */
  private async inTurn(payload: Uint8Array, until: number): Promise<Answer<Head> | undefined> {
    const request = JSON.parse(new TextDecoder().decode(payload)) as Request;
    return this.connection.exclusive(async (client) => (this.now() > until ? undefined : this.read(client, request)));
  }
}

/** As many of the first texts as fit one bus message, with `beside` bytes for each in its head; at least one. */
export function fitting(texts: readonly string[], beside: (index: number) => number): string[] {
  let bytes = 0;
  const end = texts.findIndex(
    (text, index) => (bytes += Buffer.byteLength(text) + 1 + beside(index)) > MAX_BUS_BYTES && index > 0,
  );
  return texts.slice(0, end === -1 ? texts.length : end);
}
