import {
  encodeLines,
  MAX_BUS_BYTES,
  pairConversation,
  subjects,
  type HistoryReply,
  type HistoryRequest,
} from '@huizhi/protocol';
import type { Bus, DedicatedConnection, Logger } from '@huizhi/runtime';
import { readHistory, wasMember } from '../sql/read-log.js';

interface Page {
  head: HistoryReply;
  deliveries: string[];
}

/** Pages of a conversation by `seq`, for those who are in it. */
export class HistoryReader {
  constructor(
    private readonly bus: Bus,
    private readonly connection: DedicatedConnection,
    private readonly log: Logger,
  ) {}

  listen(): void {
    this.bus.subscribe(
      subjects.history,
      (payload, _subject, reply) => {
        if (reply) void this.answer(payload, reply);
      },
      { queue: 'message' },
    );
  }

  private async answer(payload: Uint8Array, reply: string): Promise<void> {
    const { head, deliveries } = await this.page(payload).catch((error: unknown): Page => {
      this.log.warn('history.read-failed', { error });
      return { head: { error: 'unavailable', hasMore: false }, deliveries: [] };
    });
    this.bus.respond(reply, encodeLines(head, deliveries));
  }

  private async page(payload: Uint8Array): Promise<Page> {
    const request = JSON.parse(new TextDecoder().decode(payload)) as HistoryRequest;
    const { user, conversation, to, limit } = request;
    return this.connection.exclusive(async (client) => {
      const inPair = to !== undefined && pairConversation(user, to) === conversation;
      if (!inPair && !(await wasMember(client, conversation, user))) {
        return { head: { error: 'notAllowed', hasMore: false }, deliveries: [] };
      }
      const newest = request.afterSeq === undefined;
      const found = await readHistory(client, {
        conversation,
        member: inPair ? null : user,
        after: request.afterSeq ?? 0,
        before: request.beforeSeq ?? Number.MAX_SAFE_INTEGER,
        newest,
        limit: limit + 1,
      });
      return cut(found, limit, newest);
    });
  }
}

/** One more than asked for was read, to know whether there are more; what does not fit the bus counts as more. */
function cut(found: string[], limit: number, newest: boolean): Page {
  const inOrder = newest ? [...found].reverse() : found;
  const page: string[] = [];
  let bytes = 0;
  for (const delivery of inOrder) {
    bytes += Buffer.byteLength(delivery) + 2;
    if (page.length === limit || (bytes > MAX_BUS_BYTES && page.length > 0)) break;
    page.push(delivery);
  }
  const hasMore = page.length < found.length;
  return { head: { hasMore }, deliveries: newest ? page.reverse() : page };
}
