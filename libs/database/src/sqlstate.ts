import pg from 'pg';

/**
 * What an error of the server proves that came in place of the answer to a COMMIT. `rolledBackIfAlive`: a session that goes on
 * afterwards heard an ERROR, which rolls back; one that ended with it may have heard a PANIC, after the commit became durable.
 */
export type Proof = 'rolledBack' | 'rolledBackIfAlive' | 'nothing';

/** Cancelled, shut down, cut off, or lost by a pooler in between: all of it may come after the commit became durable. */
const PROVES_NOTHING = /^(08|57|25P0[34]|40003)/;
/** Resources, the system, internal errors: while the commit is written to the log any of them is a PANIC. */
const MAY_BE_PANIC = /^(53|58|XX)/;
/** FATAL, by code: shutdown, crash, a dropped database, sessions and transactions that idled or took too long. */
const ENDS_SESSION = /^(57P0[1-5]|25P0[34])$/;

/** The five characters by which the server says what went wrong; undefined when it was not the server that said so. */
export const sqlStateOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined;

/** Decided by SQLSTATE: the severity is a word in the server's own language (`lc_messages`). */
export function proofOf(error: unknown): Proof {
  const state = sqlStateOf(error);
  if (state === undefined || PROVES_NOTHING.test(state)) return 'nothing';
  return MAY_BE_PANIC.test(state) ? 'rolledBackIfAlive' : 'rolledBack';
}

/** The server says so before it hangs up: the connection is gone though its socket is not yet. */
export const endsSession = (error: unknown): error is pg.DatabaseError => ENDS_SESSION.test(sqlStateOf(error) ?? '');
