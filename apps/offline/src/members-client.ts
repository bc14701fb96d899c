import { decodeLines, READ_TIMEOUT_MS, subjects, type MembersReply, type MembersRequest } from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import type { MembersAsOf } from './recipients.js';

/** Asks any message instance who was in groups. */
export const membersClient =
  (bus: Bus): MembersAsOf =>
  async (groups) => {
    const request: MembersRequest = { groups: [...groups] };
    const { head, bodies } = decodeLines<MembersReply>(
      await bus.request(subjects.members, JSON.stringify(request), { timeoutMs: READ_TIMEOUT_MS }),
    );
    if (head.error) throw new Error(`who is in groups was answered ${head.error}`);
    if (bodies.length === 0) throw new Error('who is in groups was answered for none of them');
    return bodies.map((users) => JSON.parse(users) as string[]);
  };
