import { idBytes, MAX_BUS_BYTES } from '@huizhi/protocol';

/** Bytes of field names, numbers and punctuation per session in a bus message. */
const FIXED_BYTES = 160;
const MAX_SESSIONS = 1_000;

/** Splits items about many sessions into bus messages of at most MAX_BUS_BYTES; an id can have about 1,000 bytes. */
export function* busSlices<T extends { readonly user: string; readonly device: string }>(
  all: readonly T[],
): Iterable<T[]> {
  let from = 0;
  let bytes = 0;
  for (const [index, { user, device }] of all.entries()) {
    const more = FIXED_BYTES + idBytes(user) + idBytes(device);
    if (index > from && (bytes + more > MAX_BUS_BYTES || index - from === MAX_SESSIONS)) {
      yield all.slice(from, index);
      from = index;
      bytes = 0;
    }
    bytes += more;
  }
  if (from < all.length) yield all.slice(from);
}
