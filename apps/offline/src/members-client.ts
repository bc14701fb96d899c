import { decodeLines, READ_TIMEOUT_MS, subjects, type MembersReply, type MembersRequest } from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import type { MembersAsOf } from './recipients.js';

/** Asks any message instance for the members of groups. */
export const membersClient =
  (bus: Bus): MembersAsOf =>
  async (groups) => {
    const request: MembersRequest = { groups: [...groups] };
    const { head, bodies } = decodeLines<MembersReply>(
      await bus.request(subjects.members, JSON.stringify(request), { timeoutMs: READ_TIMEOUT_MS }),
    );
    if (head.error) throw new Error(`the members query answered ${head.error}`);
    if (bodies.length === 0) throw new Error('the members query answered for none of the groups');
    return bodies.map((users) => JSON.parse(users) as string[]);
  };
