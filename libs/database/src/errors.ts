/** The connection broke or could not be made. Outside a COMMIT: what was in the transaction is rolled back for certain. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  readonly code = 'connection_lost';
}

/** COMMIT was sent and not answered: the transaction may be durable or not. Read the database before going on. */
export class CommitUnknownError extends Error {
  override readonly name = 'CommitUnknownError';
  readonly code = 'commit_unknown';
}

/** COMMIT was answered with ROLLBACK: a statement had failed before and the work did not say so. */
export class RolledBackError extends Error {
  override readonly name = 'RolledBackError';
  readonly code = 'rolled_back';
}

/** A bigint beyond 2^53 came from the database: no counter of ours gets there honestly. */
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

/** Statements of one connection run in different sessions of the server, so that no setting, lock or prepared statement holds. */
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

/** Another process holds the migration lock longer than we wait. */
export class MigrationLockError extends Error {
  override readonly name = 'MigrationLockError';
  readonly code = 'migration_lock';
}
