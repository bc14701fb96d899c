/** What services with tables use: PostgreSQL connections, migrations and lanes. */
export { dataSourceOptions, type DatabaseOptions } from './options.js';
export { assertMigrated, runMigrations, type MigrationOptions } from './migrations.js';
export { assertDirectSession, type SessionCheckOptions } from './session.js';
export { DatabaseProbe } from './probe.js';
export { DedicatedConnection, type DedicatedConnectionOptions } from './dedicated-connection.js';
export {
  CommitUnknownError,
  ConnectionLostError,
  MigrationLockError,
  PendingMigrationsError,
  PoolerError,
  RolledBackError,
  UnsafeIntegerError,
} from './errors.js';
export { sqlStateOf } from './sqlstate.js';
export { migrateService, type ServiceMigration } from './migrate-service.js';
export { startWhenPossible, type StartContext } from './start-when-possible.js';
export { assertLanes, ensureLanes, LaneCountError } from './lanes/lane-count.js';
export {
  LaneKeeper,
  LaneLostError,
  WorkRefusedError,
  type LaneKeeperOptions,
  type LossReason,
} from './lanes/lane-keeper.js';
export { createLaneTables, createRefuse, type FencedWork, type HeldLane, type LaneMove } from './lanes/lane-sql.js';
export { laneVariables, type LaneConfig } from './lanes/lane-config.js';
