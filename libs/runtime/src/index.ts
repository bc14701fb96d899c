/** The public API of the runtime: what every service uses. PostgreSQL and lanes are in @huizhi/database. */
export { Backoff, pause } from './backoff.js';
export { deferred, TimeoutError, withTimeout, type Deferred } from './deferred.js';
export { assertAllHandled, UnhandledSubjectsError } from './handled.js';

export { environment, type Environment } from './config/environment.js';
export {
  ConfigError,
  defineConfig,
  pickVariables,
  readConfig,
  type ConfigDefinition,
  type ConfigOf,
} from './config/config.js';
export type { ConfigProblem, Variable, Variables } from './config/variable.js';
export { configTable, explainConfig, redactedConfig, type ConfigRow } from './config/describe.js';
export { commonVariables, LOG_LEVELS, tokenLeeway, type CommonConfig, type LogLevel } from './config/common.js';
export {
  booleanSetting,
  choiceSetting,
  durationSetting,
  integerSetting,
  textSetting,
  type Setting,
} from './config/settings.js';
export { serverVariables, urlSetting, type ServerOptions, type ServerVariables } from './config/url.js';

export { createLogger, silentLogger, type Logger } from './log/logger.js';
export { rateLimited } from './log/rate-limited.js';
export { NestLogger } from './log/nest-logger.js';
export { loggable } from './log/redact.js';

export {
  collectProcessMetrics,
  counter,
  gauge,
  histogram,
  metricsRegistry,
  SECONDS_BUCKETS,
  type Labels,
  type LabelValues,
} from './metrics/metrics.js';

export { Bus, MAX_BUS_PAYLOAD, type BusHandler, type BusOptions, type BusSubscription } from './bus/bus.js';
export {
  BusDisconnectedError,
  BusNoRespondersError,
  BusOverloadedError,
  BusPayloadTooLargeError,
  BusRequestError,
  BusTimeoutError,
} from './bus/errors.js';
export { credentialsProblems, type BusCredentials } from './bus/nats-url.js';
export { QueueMember } from './bus/queue-member.js';

export { ControlClient, type ControlRequestOptions } from './control/control-client.js';
export { ControlError } from './control/control-error.js';
export { HandlesCommand } from './control/handles-command.js';

export {
  armFailpoints,
  declareFailpoints,
  disarmFailpoints,
  enableFailpoints,
  failpoint,
  failpointAsync,
  FailpointError,
  failpointStatus,
  resetFailpoints,
  seededBug,
  type FailpointStatus,
} from './failpoints/failpoints.js';
export { FailpointSpecError, parseFailpoints } from './failpoints/spec.js';

export { Health, type DependencyCheck, type Readiness } from './health/health.js';
export { HealthModule } from './health/health.module.js';
export { Shutdown, SHUTDOWN_PHASES, type ShutdownPhase } from './shutdown/shutdown.js';

export { runService, type ServiceOptions } from './service/run-service.js';
export { RuntimeModule, type Runtime } from './service/runtime.module.js';
export { CONFIG_TOKEN, InjectConfig, InjectLogger, LOGGER_TOKEN } from './service/tokens.js';
