import type { Nats } from './nats.js';
import type { Postgres } from './postgres.js';
import type { Service } from './service.js';
import type { Supervised } from './supervisor.js';

/** A process of the dev-env, as lists show it and the supervisor handles it. */
export interface Part extends Supervised {
  /** Base URL of health and metrics, if the process has them. */
  readonly baseUrl?: string;
}

export function servicePart(service: Service): Part {
  const { label, logFile = '', baseUrl } = service;
  return {
    label,
    logFile,
    baseUrl,
    get pid() {
      return service.running ? service.pid : undefined;
    },
    start: () => service.startAgain(),
    stop: () => service.stop(),
  };
}

export function serverPart(label: string, server: Postgres | Nats): Part {
  return {
    label,
    logFile: server.logFile,
    get pid() {
      return server.pid;
    },
    start: () => server.restart(),
    stop: () => server.stop(),
  };
}
