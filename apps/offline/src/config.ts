import { MAX_LANES } from '@huizhi/protocol';
import { commonVariables, defineConfig, integerSetting, urlSetting, type CommonConfig } from '@huizhi/runtime';

export interface OfflineConfig extends CommonConfig {
  OFFLINE_DATABASE_URL: string;
  OFFLINE_LANES: number;
  MESSAGE_LANES: number;
  LEASE_MS: number;
  RETENTION_DAYS: number;
  PACE_MS: number;
}

export const offlineConfig = defineConfig<OfflineConfig>({
  ...commonVariables('offline'),
  OFFLINE_DATABASE_URL: {
    schema: urlSetting(['postgres', 'postgresql']),
    doc: 'PostgreSQL, as the role that owns the schema `offline`.',
    secret: true,
  },
  OFFLINE_LANES: {
    schema: integerSetting(1, MAX_LANES),
    default: 16,
    doc: 'Partitions of users. Fixed when the database is created; gateways must agree.',
  },
  MESSAGE_LANES: {
    schema: integerSetting(1, MAX_LANES),
    default: 32,
    doc: 'Partitions of conversations: as the message service has it.',
  },
  LEASE_MS: {
    schema: integerSetting(500, 60_000),
    default: 3_000,
    doc: 'How long a silent owner keeps its lanes, milliseconds: the longest pause after a crash.',
  },
  RETENTION_DAYS: {
    schema: integerSetting(1, 3_650),
    default: 30,
    doc: 'Inbox entries older than this many days are dropped, receipted or not.',
  },
  PACE_MS: {
    schema: integerSetting(0, 50),
    default: 3,
    doc: 'Least time between two transactions under load, milliseconds: fewer wake-ups for little delay.',
  },
});
