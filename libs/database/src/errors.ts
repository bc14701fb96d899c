/** The connection broke or could not be made. Except during COMMIT, the transaction is certainly rolled back. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  readonly code = 'connection_lost';
}

/** COMMIT was sent and not answered: the transaction may be durable or not. Read the database before continuing. */
export class CommitUnknownError extends Error {
  override readonly name = 'CommitUnknownError';
  readonly code = 'commit_unknown';
}

/** COMMIT was answered with ROLLBACK: a statement had failed before, and the work did not throw. */
export class RolledBackError extends Error {
  override readonly name = 'RolledBackError';
  readonly code = 'rolled_back';
}

/** A bigint above 2^53 came from the database; no counter of this system can reach it. */
export class UnsafeIntegerError extends Error {
  override readonly name = 'UnsafeIntegerError';
  readonly code = 'unsafe_integer';
}

/** The schema is older than the program. */
export class PendingMigrationsError extends Error {
  override readonly name = 'PendingMigrationsError';
  readonly code = 'pending_migrations';
}

/** The variable with the database URL of a schema's service. */
const urlVariable = (schema: string): string => `HZ_${schema.toUpperCase()}_DATABASE_URL`;

/**
 * A pooler: statements of one connection run in different sessions, so settings, locks and prepared statements do not
 * last.
 */
export class PoolerError extends Error {
  override readonly name = 'PoolerError';
  readonly code = 'pooler';

  constructor(schema: string, options?: ErrorOptions) {
    super(
      `${urlVariable(schema)}: a connection pooler gives every transaction another session of PostgreSQL; ` +
        'connect directly or use session mode (PgBouncer: pool_mode = session)',
      options,
    );
  }
}

/** Another process held the migration lock longer than the timeout. */
export class MigrationLockError extends Error {
  override readonly name = 'MigrationLockError';
  readonly code = 'migration_lock';
}
