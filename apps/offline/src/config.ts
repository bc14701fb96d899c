import { MAX_LANES } from '@huizhi/protocol';
import {
  commonVariables,
  defineConfig,
  integerSetting,
  laneVariables,
  urlSetting,
  type CommonConfig,
  type LaneConfig,
} from '@huizhi/runtime';

export interface OfflineConfig extends CommonConfig, LaneConfig {
  OFFLINE_DATABASE_URL: string;
  OFFLINE_LANES: number;
  MESSAGE_LANES: number;
  RETENTION_DAYS: number;
}

export const offlineConfig = defineConfig<OfflineConfig>({
  ...commonVariables('offline'),
  ...laneVariables,
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
  RETENTION_DAYS: {
    schema: integerSetting(1, 3_650),
    default: 30,
    doc: 'Inbox entries older than this many days are dropped, receipted or not.',
  },
});
