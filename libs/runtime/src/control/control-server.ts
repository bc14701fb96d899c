import type { INestApplication } from '@nestjs/common';
import { natsServers } from '../bus/nats-url.js';
import { ControlNatsServer } from './control-transport.js';

/** After its subscriptions ended, how long Nest's transport waits for handlers under way, milliseconds. */
const GRACE_MS = 300;

/**
 * Lets the app answer control-plane requests (`@MessagePattern`) over NATS; instances of a service share a queue group.
 * The control plane only: Nest's transport makes JSON and a handler call of every message and forgets errors.
 * Call before `listen`, then `startAllMicroservices()`, which waits for as long as there is no bus.
 * @param stopping aborted when the process ends; else a wait for the first connection would keep it alive.
 */
export function connectControl(app: INestApplication, natsUrl: string, service: string, stopping?: AbortSignal): void {
  const options = {
    ...natsServers(natsUrl),
    name: `${service} control`,
    queue: service,
    noAsyncTraces: true,
    timeout: 3_000,
    pingInterval: 2_000,
    maxPingOut: 2,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    ignoreAuthErrorAbort: true,
    gracefulShutdown: true,
    gracePeriod: GRACE_MS,
    // The client's only way to give up: a handler that throws.
    reconnectToServer: () => {
      if (stopping?.aborted) throw new Error('the process is stopping');
      return null;
    },
  };
  app.connectMicroservice({ strategy: new ControlNatsServer(options, stopping) });
}
