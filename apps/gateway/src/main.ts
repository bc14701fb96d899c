import { setFlagsFromString } from 'node:v8';
import { runService } from '@huizhi/runtime';
import { gatewayConfig } from './config.js';
import { GatewayModule } from './gateway.module.js';

/** Ms after the drain for the last messages on the bus. */
const CLOSE_MS = 5_000;

// Run a full collection when the heap has grown by half: closed connections leave garbage in the old space. See
// docs/decisions/memory.md.
setFlagsFromString('--heap-growing-percent=50');

await runService({
  name: 'gateway',
  config: gatewayConfig,
  module: (runtime) => GatewayModule.start(runtime),
  shutdownBoundMs: ({ HZ_DRAIN_DELAY, HZ_DRAIN_SPREAD, HZ_DRAIN_TIMEOUT }) =>
    HZ_DRAIN_DELAY + HZ_DRAIN_SPREAD + HZ_DRAIN_TIMEOUT + CLOSE_MS,
});
