import type { InboxRow } from '../sql/inbox.js';

/** What the gateway adds to each body on its way into a batch: `"inboxSeq":…,"prevInboxSeq":…,` and a comma. Beside two brackets at most this. */
export const ENTRY_BYTES = 64;

export type Place = [lane: number, position: number];

/** What has to be read from the log for these rows: not what is void for the device anyway. */
export function placesOf(rows: readonly InboxRow[], device: string): Place[] {
  return rows.filter((row) => row.skipDevice !== device).map((row) => [row.lane, row.position]);
}

export interface PageInput {
  readonly rows: readonly InboxRow[];
  readonly device: string;
  /** Of the first places, in order; fewer when the rest would not have fitted. Empty: void. */
  readonly bodies: readonly string[];
  /** Of the batch that a gateway makes of it. */
  readonly maxBytes: number;
  readonly from: number;
  /** The head up to which was asked. */
  readonly to: number;
  /** There may be rows beyond the last. */
  readonly full: boolean;
}

export interface Page {
  readonly entries: [inboxSeq: number, line: number][];
  readonly bodies: string[];
  readonly upTo: number;
}

/**
 * Entries as far as their bodies fit; the first always does, or nobody would ever get past it. Numbers without a row (dropped
 * with their day) are covered by `upTo` without an entry.
 */
export function pageOf({ rows, device, bodies, maxBytes, from, to, full }: PageInput): Page {
  const page = { entries: [] as [number, number][], bodies: [] as string[] };
  let next = 0;
  let bytes = 0;
  for (const { seq, skipDevice } of rows) {
    if (skipDevice === device) {
      page.entries.push([seq, -1]);
      continue;
    }
    const body = bodies[next];
    if (body === undefined) return { ...page, upTo: seq - 1 };
    bytes += Buffer.byteLength(body) + ENTRY_BYTES;
    if (bytes > maxBytes && next > 0) return { ...page, upTo: seq - 1 };
    next += 1;
    page.entries.push([seq, body === '' ? -1 : page.bodies.length]);
    if (body !== '') page.bodies.push(body);
  }
  const last = rows.at(-1)?.seq ?? 0;
  return { ...page, upTo: full ? last : Math.max(to, last, from - 1) };
}
