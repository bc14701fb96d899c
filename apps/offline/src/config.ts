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
 * Who is not in memory is looked for in every day's partition. On a busy machine with two cores a statement reads 200 users in 0.02 s
 * with 30 days; in up to 1 s with 366, for which it locks 737 tables and indexes; in up to 3 s with 730, too near to its time-out.
 * `npm test -- load-users.it` does it with as many days as are allowed.
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
    doc: 'Partitions of conversations: as the message service has it.',
  },
  HZ_RETENTION_DAYS: {
    schema: integerSetting(1, MAX_RETENTION_DAYS),
    default: 30,
    doc: `Inbox entries older than this many days are dropped, receipted or not. At most ${MAX_RETENTION_DAYS}: reading 200 users into memory takes up to 1 s then, 0.02 s with 30.`,
  },
  HZ_TOKEN_LEEWAY: tokenLeeway,
});
