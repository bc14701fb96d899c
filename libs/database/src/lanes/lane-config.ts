import { durationSetting, type Variables } from '@huizhi/runtime';

/** Upper bound of a lease in milliseconds. */
export const MAX_LEASE_MS = 60_000;

/** The variables of every service that owns lanes, in milliseconds. */
export interface LaneConfig {
  HZ_LEASE: number;
  HZ_MIN_COMMIT_INTERVAL: number;
  HZ_CLOCK_BOUND: number;
}

export const laneVariables: Variables<LaneConfig> = {
  HZ_LEASE: {
    schema: durationSetting(500, MAX_LEASE_MS),
    default: 3_000,
    defaultDoc: '`3s`',
    doc: 'How long an owner keeps its lanes without renewing them: the longest outage after a crash.',
  },
  HZ_MIN_COMMIT_INTERVAL: {
    schema: durationSetting(0, 100),
    default: 3,
    defaultDoc: '`3ms`',
    doc: 'Minimum time between two transactions under load: saves wake-ups for a small delay.',
  },
  HZ_CLOCK_BOUND: {
    schema: durationSetting(1_000, 3_600_000),
    default: 5_000,
    defaultDoc: '`5s`',
    doc: 'How far the clock of this machine may be from the clock of the database; beyond that the time of the database is used.',
  },
};
