import { pairConversation, subjects, type HistoryReply, type HistoryRequest } from '@huizhi/protocol';
import type pg from 'pg';
import { findUsers } from '../sql/look-up.js';
import { readHistory, wasMember } from '../sql/read-log.js';
import { fitting, QueryHandler, type Answer } from './query-handler.js';

/**
 * Pages of a conversation by `seq`, for its users. A conversation with a user that does not exist is answered as one of
 * others. How long a gateway waits is its own setting.
 */
export class HistoryQueryHandler extends QueryHandler<HistoryRequest, HistoryReply> {
  protected readonly subject = subjects.history;
  protected readonly unavailable: HistoryReply = { error: 'unavailable', hasMore: false };

  protected async read(client: pg.ClientBase, request: HistoryRequest): Promise<Answer<HistoryReply>> {
    const { user, conversation, to, limit } = request;
    const inPair = to !== undefined && pairConversation(user, to) === conversation;
    if (!inPair && !(await wasMember(client, conversation, user))) {
      return NOT_ALLOWED;
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
    // Only for an empty page: a user with a message exists.
    if (found.length === 0 && inPair && (await findUsers(client, [to])).length === 0) return NOT_ALLOWED;
    return cut(found, limit, newest);
  }
}

const NOT_ALLOWED: Answer<HistoryReply> = { head: { error: 'notAllowed', hasMore: false }, bodies: [] };

/** One more than asked for was read, to know whether there are more; what does not fit the bus counts as more. */
function cut(found: readonly string[], limit: number, newest: boolean): Answer<HistoryReply> {
  const inOrder = newest ? [...found].reverse() : found;
  const page = fitting(inOrder.slice(0, limit), () => 1);
  const hasMore = page.length < found.length;
  return { head: { hasMore }, bodies: newest ? page.reverse() : page };
}
