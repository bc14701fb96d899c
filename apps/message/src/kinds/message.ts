import { NOT_ALLOWED } from './refusals.js';
import type { EventKind } from './kind.js';

/** A message to a user or a group. */
export const message: EventKind = {
  name: 'message',
  code: 1,
  users: ({ send: { to } }) => (to === undefined ? [] : [to]),
  decide: ({ task, send }, state, { userExists }) => {
    const isAllowed =
      send.group === undefined
        ? send.to !== undefined && userExists(send.to)
        : (state.members?.has(task.batch.user) ?? false);
    return isAllowed ? undefined : NOT_ALLOWED;
  },
};
