import {
  encodeLines,
  MAX_BUS_BYTES,
  subjects,
  type LogGetRequest,
  type LogRangeRequest,
  type LogReply,
} from '@huizhi/protocol';
import type { Bus, DedicatedConnection, Logger } from '@huizhi/runtime';
import type pg from 'pg';
import { readHead, readPlaces, readRange } from '../sql/read-log.js';

const MAX_RANGE = 1000;
const MAX_PLACES = 1000;
/** Heads of events and the reply's own head, in bytes per event. */
const EVENT_OVERHEAD = 400;
/** An asker waits no longer, milliseconds: it asks again, or somebody else. */
const ASKER_WAITS = 2_000;

interface Answer {
  head: LogReply;
  bodies: string[];
}

/**
 * Answers from the lane log, which is the truth: what is not in it was never promised. Any instance may answer, owner or
 * not: what is committed has no holes and never changes.
 */
export class LogReader {
  constructor(
    private readonly bus: Bus,
    private readonly connection: DedicatedConnection,
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {}

  listen(): void {
    this.bus.subscribe(
      subjects.log,
      (payload, _subject, reply) => {
        if (reply) void this.answer(payload, reply, this.now() + ASKER_WAITS);
      },
      { queue: 'message' },
    );
  }

  private async answer(payload: Uint8Array, reply: string, until: number): Promise<void> {
    const answer = await this.read(payload, until).catch((error: unknown): Answer => {
      this.log.warn('log.read-failed', { error });
      return { head: { error: 'unavailable' }, bodies: [] };
    });
    if (answer) this.bus.respond(reply, encodeLines(answer.head, answer.bodies));
  }

  /** Undefined when its turn came too late: read for nobody, it would only make those behind it late as well. */
  private async read(payload: Uint8Array, until: number): Promise<Answer | undefined> {
    const request = JSON.parse(new TextDecoder().decode(payload)) as LogRangeRequest | LogGetRequest;
    return this.connection.exclusive(async (client) => {
      if (this.now() > until) return undefined;
      return request.op === 'range' ? range(client, request) : places(client, request);
    });
  }
}

async function range(client: pg.ClientBase, { lane, from, limit }: LogRangeRequest): Promise<Answer> {
  const head = await readHead(client, lane);
  const events = await readRange(client, lane, from, Math.min(limit, MAX_RANGE));
  const count = fitting(events.map((one) => one.delivery));
  const cut = events.slice(0, count);
  return { head: { events: cut.map((one) => one.event), head }, bodies: cut.map((one) => one.delivery) };
}

async function places(client: pg.ClientBase, { places }: LogGetRequest): Promise<Answer> {
  const bodies = await readPlaces(client, places.slice(0, MAX_PLACES));
  const count = fitting(bodies);
  return { head: { count }, bodies: bodies.slice(0, count) };
}

/** How many texts, from the first on, fit one bus message; at least one. */
function fitting(texts: readonly string[]): number {
  let bytes = 0;
  for (const [index, text] of texts.entries()) {
    bytes += Buffer.byteLength(text) + EVENT_OVERHEAD;
    if (bytes > MAX_BUS_BYTES && index > 0) return index;
  }
  return texts.length;
}
