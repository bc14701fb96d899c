import { encodeLines, type ErrorName, type FetchReply, type FetchRequest } from '@huizhi/protocol';
import { rateLimited, withTimeout, type Logger } from '@huizhi/runtime';
import { type DedicatedConnection } from '@huizhi/database';
import type { User } from '../commit/user.js';
import { fetchedEntries, fetches } from '../metrics.js';
import { readParts, type InboxRow } from '../sql/inbox.js';
import type { GetBodies } from './log-client.js';
import { pageOf, placesOf } from './page.js';

/** Limit of entries per reply, regardless of the requested limit. */
const MAX_ENTRIES = 1_000;
/** Limit of bytes of bodies per reply. The head line is extra, and the bus limit is 1 MiB. */
const MAX_BYTES = 512 * 1024;
/** Limit of waiting requests; beyond it the reply is `unavailable`. */
const MAX_WAITING = 5_000;
/** Requests per statement, and limit of rounds that wait for bodies at the same time. */
const ROUND = 64;
const ROUNDS_AT_ONCE = 4;

interface Waiting {
  readonly user: User;
  readonly request: FetchRequest;
  readonly replyTo: string;
}

/**
 * Answers fetches with rows from the database and bodies from the lane log, in which recalled bodies are blank. It has
 * its own connection, so that many logins at once do not delay commits. It reads only up to the head in memory, which
 * is committed.
 */
export class Fetcher {
  private readonly waiting: Waiting[] = [];
  private readonly log: Logger;
  private rounds = 0;

  constructor(
    private readonly connection: DedicatedConnection,
    private readonly getBodies: GetBodies,
    private readonly respond: (replyTo: string, payload: string) => void,
    log: Logger,
  ) {
    this.log = rateLimited(log);
  }

  /** The user must be in memory. */
  take(user: User, request: FetchRequest, replyTo: string): void {
    const device = user.devices.get(request.device);
    if (device?.epoch !== request.epoch) {
      const isRevoked = device !== undefined && request.epoch < device.revokedEpoch;
      return this.refuse(replyTo, isRevoked ? 'tokenRevoked' : 'notAllowed');
    }
    if (this.waiting.length >= MAX_WAITING) return this.refuse(replyTo, 'unavailable');
    if (device.session) device.session.seenAt = performance.now();
    this.waiting.push({ user, request, replyTo });
    this.next();
  }

  refuse(replyTo: string, error: ErrorName): void {
    fetches.inc({ outcome: error === 'unavailable' ? 'unavailable' : 'refused' });
    const reply: FetchReply = { error, entries: [], upTo: 0, head: 0 };
    this.respond(replyTo, JSON.stringify(reply));
  }

  get length(): number {
    return this.waiting.length;
  }

  private next(): void {
    if (this.rounds >= ROUNDS_AT_ONCE || this.waiting.length === 0) return;
    this.rounds += 1;
    // Requests that arrive in this turn of the event loop share the statement.
    setImmediate(() => {
      const round = this.waiting.splice(0, ROUND);
      void this.carryOut(round).finally(() => {
        this.rounds -= 1;
        this.next();
      });
    });
  }

  private async carryOut(round: readonly Waiting[]): Promise<void> {
    const asked = round.map((one) => ({ ...one, to: one.user.head, limit: limitOf(one.request) }));
    let parts: InboxRow[][] = [];
    try {
      parts = await this.connection.exclusive((client) =>
        readParts(
          client,
          asked.map(({ user, request, to, limit }) => ({ user: user.id, from: request.from, to, limit })),
        ),
      );
    } catch (error) {
      this.log.warn('fetch.failed', { error });
      for (const { replyTo } of asked) this.refuse(replyTo, 'unavailable');
      return;
    }
    await Promise.all(asked.map((one, index) => this.answer(one, one.to, one.limit, parts[index] ?? [])));
  }

  private async answer(waiting: Waiting, to: number, limit: number, rows: readonly InboxRow[]): Promise<void> {
    const { user, request, replyTo } = waiting;
    const maxBytes = Math.min(MAX_BYTES, Math.max(1, request.maxBytes));
    try {
      const bodies = await withTimeout(
        this.getBodies(placesOf(rows, request.device), maxBytes),
        5_000,
        'reading bodies',
      );
      const page = pageOf({
        rows,
        device: request.device,
        bodies,
        maxBytes,
        from: request.from,
        to,
        full: rows.length >= limit,
      });
      const reply: FetchReply = { entries: page.entries, upTo: page.upTo, head: Math.max(user.head, to) };
      this.respond(replyTo, encodeLines(reply, page.bodies));
      fetches.inc({ outcome: 'answered' });
      fetchedEntries.inc(page.entries.length);
    } catch {
      // The log is away or slow: the gateway repeats the request. It is counted in the metrics and not logged each
      // time.
      this.refuse(replyTo, 'unavailable');
    }
  }
}

const limitOf = ({ limit }: FetchRequest): number => Math.max(1, Math.min(MAX_ENTRIES, limit));
