import type { InboxRow } from '../sql/inbox.js';

/**
 * Limit of the bytes that the gateway adds to each body in a batch, `"inboxSeq":…,"prevInboxSeq":…,` and a comma. The
 * two brackets of the batch are extra.
 */
export const ENTRY_BYTES = 64;

export type Place = [lane: number, position: number];

/** Places to read from the log for these rows, without the rows that are void for the device. */
export function placesOf(rows: readonly InboxRow[], device: string): Place[] {
  return rows.filter((row) => row.skipDevice !== device).map((row) => [row.lane, row.position]);
}

export interface PageInput {
  readonly rows: readonly InboxRow[];
  readonly device: string;
  /** Bodies of the first places, in order; fewer when the rest did not fit. An empty body makes its entry void. */
  readonly bodies: readonly string[];
  /** Limit in bytes of the batch that the gateway makes of the page. */
  readonly maxBytes: number;
  readonly from: number;
  /** The head up to which rows were read. */
  readonly to: number;
  /** Whether there may be rows beyond the last one. */
  readonly full: boolean;
}

export interface Page {
  readonly entries: [inboxSeq: number, line: number][];
  readonly bodies: string[];
  readonly upTo: number;
}

/**
 * Entries whose bodies fit; the first always does, so that fetching makes progress. `upTo` also covers numbers without
 * a row, which was dropped with its day.
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
