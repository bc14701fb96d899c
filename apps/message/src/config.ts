import {
  commonVariables,
  defineConfig,
  durationSetting,
  integerSetting,
  urlSetting,
  type ConfigOf,
} from '@huizhi/runtime';

export const messageConfig = defineConfig({
  ...commonVariables('message'),
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
  LEASE: {
    schema: durationSetting(500, 60_000),
    default: 3000,
    defaultDoc: '3s',
    doc: 'How long a lane waits for an owner that fell silent before another instance takes it.',
  },
  PACE: {
    schema: durationSetting(0, 100),
    default: 3,
    defaultDoc: '3ms',
    doc: 'Between the starts of two transactions under load. More saves CPU and costs latency.',
  },
});

export type MessageConfig = ConfigOf<typeof messageConfig>;
