import type { RefusedReceipt } from '@huizhi/protocol';

/** One refusal for both cases, so that a sender cannot learn whether the target exists. */
export const NOT_ALLOWED: RefusedReceipt = {
  error: 'notAllowed',
  reason: 'this target does not exist or is not yours to write to',
};
