import type { RefusedReceipt } from '@huizhi/protocol';

/** A target that does not exist and one that is not the sender's are refused alike. */
export const NOT_ALLOWED: RefusedReceipt = {
  error: 'notAllowed',
  reason: 'this target does not exist or is not yours to write to',
};
