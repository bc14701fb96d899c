import { READ_TIMEOUT_MS, subjects, type MembersReply, type MembersRequest } from '@huizhi/protocol';
import type pg from 'pg';
import { membersAsOf } from '../sql/members.js';
import { fitting, QueryHandler, type Answer } from './query-handler.js';

const MAX_GROUPS = 500;
/** Bytes that a group adds to the head of the reply. */
const nothing = (): number => 0;

/**
 * Answers which users were members of groups at a committed position. The members of one group always fit in a reply.
 */
export class MembersQueryHandler extends QueryHandler<MembersRequest, MembersReply> {
  protected readonly subject = subjects.members;
  protected readonly unavailable: MembersReply = { error: 'unavailable' };
  protected override readonly callerTimeoutMs = READ_TIMEOUT_MS;

  protected async read(client: pg.ClientBase, { groups }: MembersRequest): Promise<Answer<MembersReply>> {
    return { head: {}, bodies: fitting(await membersAsOf(client, groups.slice(0, MAX_GROUPS)), nothing) };
  }
}
