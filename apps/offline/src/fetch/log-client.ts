import {
  decodeLines,
  READ_TIMEOUT_MS,
  subjects,
  type LogGetRequest,
  type LogRangeRequest,
  type LogReply,
} from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import type { ReadRange } from '../feed/lane-repair.js';
import type { Place } from './page.js';

/** Bodies of the first places, in order: at least one if there is any place, then as many as fit in `maxBytes`. */
export type GetBodies = (places: readonly Place[], maxBytes: number) => Promise<string[]>;

/** Client of the lane log, which any message instance serves. */
export class LogClient {
  constructor(private readonly bus: Bus) {}

  readonly range: ReadRange = async (lane, from, limit) => {
    const request: LogRangeRequest = { op: 'range', lane, from, limit };
    const { head, bodies } = await this.ask(request);
    return { events: head.events ?? [], bodies, head: head.head ?? 0 };
  };

  readonly bodies: GetBodies = async (places, maxBytes) => {
    const found: string[] = [];
    let bytes = 0;
    while (found.length < places.length && bytes < maxBytes) {
      const request: LogGetRequest = { op: 'get', places: places.slice(found.length) };
      const { head, bodies } = await this.ask(request);
      const count = Math.min(head.count ?? 0, request.places.length);
      if (count === 0) throw new Error('the log answered none of the places');
      for (let i = 0; i < count; i++) {
        const body = bodies[i] ?? '';
        found.push(body);
        bytes += Buffer.byteLength(body);
      }
    }
    return found;
  };

  private async ask(request: LogGetRequest | LogRangeRequest): Promise<{ head: LogReply; bodies: string[] }> {
    const reply = decodeLines<LogReply>(
      await this.bus.request(subjects.log, JSON.stringify(request), { timeoutMs: READ_TIMEOUT_MS }),
    );
    if (reply.head.error) throw new Error(`the log answered ${reply.head.error}`);
    return reply;
  }
}
