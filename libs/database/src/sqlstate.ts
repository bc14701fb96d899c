import pg from 'pg';

/**
 * What a server error proves that came instead of the answer to a COMMIT. `rolledBackIfAlive`: if the session
 * continues, the error was an ERROR, which rolls back. If the session ended, it may have been a PANIC after the commit
 * became durable.
 */
export type Proof = 'rolledBack' | 'rolledBackIfAlive' | 'nothing';

/** Cancelled, shut down, closed, or lost by a pooler in between: each may come after the commit became durable. */
const PROVES_NOTHING = /^(08|57|25P0[34]|40003)/;
/** Resources, system and internal errors: while the commit is written to the log, each of them is a PANIC. */
const MAY_BE_PANIC = /^(53|58|XX)/;
/** FATAL by code: shutdown, crash, dropped database, and timeouts of idle sessions and transactions. */
const ENDS_SESSION = /^(57P0[1-5]|25P0[34])$/;

/** The SQLSTATE (five characters) of a server error; undefined for any other error. */
export const sqlStateOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined;

/** Decides by SQLSTATE, because the severity is a word in the server's language (`lc_messages`). */
export function proofOf(error: unknown): Proof {
  const state = sqlStateOf(error);
  if (state === undefined || PROVES_NOTHING.test(state)) return 'nothing';
  return MAY_BE_PANIC.test(state) ? 'rolledBackIfAlive' : 'rolledBack';
}

/** The server sends this error before it closes: the session has ended although the socket is still open. */
export const endsSession = (error: unknown): error is pg.DatabaseError => ENDS_SESSION.test(sqlStateOf(error) ?? '');
