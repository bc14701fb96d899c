import type { GatewayConfig } from '../config.js';

/** Heartbeat interval in ms. Version 1 clients send one every second and ignore the interval in the login receipt. */
export const heartbeatOf = (
  version: number,
  config: Pick<GatewayConfig, 'HZ_HEARTBEAT' | 'HZ_HEARTBEAT_V1'>,
): number => (version < 2 ? config.HZ_HEARTBEAT_V1 : config.HZ_HEARTBEAT);
