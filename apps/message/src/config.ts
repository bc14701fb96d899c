import {
  commonVariables,
  defineConfig,
  integerSetting,
  laneVariables,
  urlSetting,
  type ConfigOf,
} from '@huizhi/runtime';

export const messageConfig = defineConfig({
  ...commonVariables('message'),
  ...laneVariables,
  MESSAGE_DATABASE_URL: {
    schema: urlSetting(['postgres', 'postgresql']),
    doc: 'PostgreSQL with a role that owns the schema `message`, and nothing else.',
    secret: true,
  },
  MESSAGE_LANES: {
    schema: integerSetting(1, 1024),
    default: 32,
    doc: 'Number of lanes. Written in the database when it is created; cannot change later.',
  },
});

export type MessageConfig = ConfigOf<typeof messageConfig>;
