import {
  encodeLines,
  MAX_BUS_BYTES,
  subjects,
  type LogGetRequest,
  type LogRangeRequest,
  type LogReply,
} from '@huizhi/protocol';
import type { Bus, DedicatedConnection, Logger } from '@huizhi/runtime';
import { readHead, readPlaces, readRange } from '../sql/read-log.js';

const MAX_RANGE = 1000;
const MAX_PLACES = 1000;
/** Heads of events and the reply's own head, in bytes per event. */
const EVENT_OVERHEAD = 400;

/**
 * Answers from the lane log, which is the truth: what is not in it was never promised. Any instance may answer, owner or
 * not: what is committed has no holes and never changes.
 */
export class LogReader {
  constructor(
    private readonly bus: Bus,
    private readonly connection: DedicatedConnection,
    private readonly log: Logger,
  ) {}

  listen(): void {
    this.bus.subscribe(
      subjects.log,
      (payload, _subject, reply) => {
        if (reply) void this.answer(payload, reply);
      },
      { queue: 'message' },
    );
  }

  private async answer(payload: Uint8Array, reply: string): Promise<void> {
    const { head, bodies } = await this.read(payload);
    this.bus.respond(reply, encodeLines(head, bodies));
  }

  private async read(payload: Uint8Array): Promise<{ head: LogReply; bodies: string[] }> {
    try {
      const request = JSON.parse(new TextDecoder().decode(payload)) as LogRangeRequest | LogGetRequest;
      return request.op === 'range' ? await this.range(request) : await this.places(request);
    } catch (error) {
      this.log.warn('log.read-failed', { error });
      return { head: { error: 'unavailable' }, bodies: [] };
    }
  }

  private async range({ lane, from, limit }: LogRangeRequest): Promise<{ head: LogReply; bodies: string[] }> {
    return this.connection.exclusive(async (client) => {
      const head = await readHead(client, lane);
      const events = await readRange(client, lane, from, Math.min(limit, MAX_RANGE));
      const count = fitting(events.map((one) => one.delivery));
      const cut = events.slice(0, count);
      return { head: { events: cut.map((one) => one.event), head }, bodies: cut.map((one) => one.delivery) };
    });
  }

  private async places({ places }: LogGetRequest): Promise<{ head: LogReply; bodies: string[] }> {
    const bodies = await this.connection.exclusive((client) => readPlaces(client, places.slice(0, MAX_PLACES)));
    const count = fitting(bodies);
    return { head: { count }, bodies: bodies.slice(0, count) };
  }
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
