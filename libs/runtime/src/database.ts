/** `@huizhi/runtime/database`: what services with tables use. */
export { dataSourceOptions, type DatabaseOptions } from './database/options.js';
export { assertMigrated, runMigrations, type MigrationOptions } from './database/migrations.js';
export { assertDirectSession, type SessionCheckOptions } from './database/session.js';
export { DatabaseProbe } from './database/probe.js';
export { DedicatedConnection, type DedicatedConnectionOptions } from './database/dedicated-connection.js';
export {
  CommitUnknownError,
  ConnectionLostError,
  MigrationLockError,
  PendingMigrationsError,
  PoolerError,
  RolledBackError,
  UnsafeIntegerError,
} from './database/errors.js';
export { sqlStateOf } from './database/sqlstate.js';
export { migrateService, type ServiceMigration } from './database/migrate-service.js';
export { startWhenPossible, type StartContext } from './service/start-when-possible.js';
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
