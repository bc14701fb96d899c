import { insertGroup } from '../sql/groups.js';
import type { EventKind } from './kind.js';
import { NOT_ALLOWED } from './refusals.js';

/** The first event of a group: the sender and the users it names become its members. */
export const groupCreated: EventKind = {
  name: 'groupCreated',
  code: 2,
  users: ({ send }) => send.members ?? [],
  decide: ({ send: { members = [] } }, state, { userExists }) =>
    state.seq === 0 && members.every((member) => userExists(member)) ? undefined : NOT_ALLOWED,
  membership: ({ task, send }) => ({ joined: [...new Set([task.batch.user, ...(send.members ?? [])])] }),
  persist: (client, { send }, { conversation, user, position }) =>
    insertGroup(client, { conversation, groupID: send.group ?? '', creator: user, position }),
};
