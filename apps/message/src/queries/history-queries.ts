import { pairConversation, subjects, type HistoryReply, type HistoryRequest } from '@huizhi/protocol';
import type pg from 'pg';
import { findUsers } from '../sql/look-up.js';
import { readHistory, wasMember } from '../sql/read-log.js';
import { fitting, QueryHandler, type Answer } from './query-handler.js';

/**
 * Serves pages of a conversation by `seq` to its users. A pair with an unknown user is refused like a conversation of
 * other users. The timeout of the caller is unknown here: each gateway sets its own.
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
    // Checked only for an empty page: a user with a message exists.
    if (found.length === 0 && inPair && (await findUsers(client, [to])).length === 0) return NOT_ALLOWED;
    return cut(found, limit, newest);
  }
}

const NOT_ALLOWED: Answer<HistoryReply> = { head: { error: 'notAllowed', hasMore: false }, bodies: [] };

/**
 * Cuts the page to `limit`. One more row was read, to know whether there are more. Rows that do not fit in a bus
 * message count as more.
 */
function cut(found: readonly string[], limit: number, newest: boolean): Answer<HistoryReply> {
  const inOrder = newest ? [...found].reverse() : found;
  const page = fitting(inOrder.slice(0, limit), () => 1);
  const hasMore = page.length < found.length;
  return { head: { hasMore }, bodies: newest ? page.reverse() : page };
}
