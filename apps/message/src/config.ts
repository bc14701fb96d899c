import { commonVariables, defineConfig, integerSetting, serverVariables, type ConfigOf } from '@huizhi/runtime';
import { laneVariables } from '@huizhi/database';

export const messageConfig = defineConfig({
  ...commonVariables('message'),
  ...laneVariables,
  ...serverVariables({
    prefix: 'HZ_MESSAGE_DATABASE',
    schemes: ['postgresql', 'postgres'],
    port: 5432,
    database: true,
    doc: 'PostgreSQL, as the role that owns the schema `message`',
  }),
  HZ_MESSAGE_LANES: {
    schema: integerSetting(1, 1024),
    default: 32,
    doc: 'Number of lanes. Written in the database when it is created; cannot change later.',
  },
});

export type MessageConfig = ConfigOf<typeof messageConfig>;
