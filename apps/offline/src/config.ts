import { MAX_LANES } from '@huizhi/protocol';
import {
  commonVariables,
  defineConfig,
  integerSetting,
  serverVariables,
  tokenLeeway,
  type CommonConfig,
} from '@huizhi/runtime';
import { laneVariables, type LaneConfig } from '@huizhi/database';

export interface OfflineConfig extends CommonConfig, LaneConfig {
  HZ_OFFLINE_DATABASE_URL: string;
  HZ_OFFLINE_LANES: number;
  HZ_MESSAGE_LANES: number;
  HZ_RETENTION_DAYS: number;
  HZ_TOKEN_LEEWAY: number;
}

/**
 * A user that is not in memory is looked up in every day partition. On a busy machine with two cores, a statement reads
 * 200 users in 0.02 s with 30 days. With 366 days it takes up to 1 s and locks 737 tables and indexes; with 730 it
 * takes up to 3 s, too close to its timeout. `npm test -- load-users.it` runs it with the maximum.
 */
export const MAX_RETENTION_DAYS = 366;

export const offlineConfig = defineConfig<OfflineConfig>({
  ...commonVariables('offline'),
  ...laneVariables,
  ...serverVariables({
    prefix: 'HZ_OFFLINE_DATABASE',
    schemes: ['postgresql', 'postgres'],
    port: 5432,
    database: true,
    doc: 'PostgreSQL, as the role that owns the schema `offline`',
  }),
  HZ_OFFLINE_LANES: {
    schema: integerSetting(1, MAX_LANES),
    default: 16,
    doc: 'Partitions of users. Fixed when the database is created; gateways must agree.',
  },
  HZ_MESSAGE_LANES: {
    schema: integerSetting(1, MAX_LANES),
    default: 32,
    doc: 'Partitions of conversations; the same value as in the message service.',
  },
  HZ_RETENTION_DAYS: {
    schema: integerSetting(1, MAX_RETENTION_DAYS),
    default: 30,
    doc: `Inbox entries older than this many days are dropped, receipted or not. With ${MAX_RETENTION_DAYS}, the maximum, loading 200 users takes up to 1 s; with 30 it takes 0.02 s.`,
  },
  HZ_TOKEN_LEEWAY: tokenLeeway,
});
