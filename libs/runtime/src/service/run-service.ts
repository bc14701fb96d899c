import 'reflect-metadata';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { commandsOf } from '@huizhi/protocol';
import { Bus } from '../bus/bus.js';
import { credentialsProblems } from '../bus/nats-url.js';
import type { CommonConfig } from '../config/common.js';
import { ConfigError, readConfig, type ConfigDefinition } from '../config/config.js';
import { redactedConfig } from '../config/describe.js';
import { environment } from '../config/environment.js';
import { ControlClient } from '../control/control-client.js';
import { ControlServer } from '../control/control-server.js';
import { armFailpoints, enableFailpoints } from '../failpoints/failpoints.js';
import { UnhandledSubjectsError } from '../handled.js';
import { Health } from '../health/health.js';
import { HealthModule } from '../health/health.module.js';
import { NestLogger } from '../log/nest-logger.js';
import { createLogger } from '../log/logger.js';
import { collectProcessMetrics } from '../metrics/metrics.js';
import { Shutdown } from '../shutdown/shutdown.js';
import { exitOnFatalErrors, stopOnSignals } from './process-end.js';
import { RuntimeModule, type Runtime } from './runtime.module.js';

type AppModule = Type | DynamicModule;

export interface ServiceOptions<Config extends CommonConfig> {
  /** Name of the service: `gateway`, `message`, … */
  readonly name: string;
  /** Starts with `commonVariables(name)`. */
  readonly config: ConfigDefinition<Config>;
  /** The app's module, or a function of the runtime that returns it. */
  readonly module: AppModule | ((runtime: Runtime<Config>) => AppModule | Promise<AppModule>);
  /** Bound from the signal to the end of the process, in milliseconds. Default 10,000. */
  readonly shutdownBoundMs?: number | ((config: Readonly<Config>) => number);
}

/**
 * Starts a service and returns once it listens; then the process lives until SIGTERM or SIGINT.
 *
 * The service becomes ready when its dependencies are. While the bus or the database is away, it stays alive and not
 * ready. An error in the configuration or the wiring ends the process with code 1 and the reason on standard error.
 */
export async function runService<Config extends CommonConfig>(options: ServiceOptions<Config>): Promise<void> {
  try {
    await start(options);
  } catch (error) {
    process.stderr.write(`${options.name}: ${isPlain(error) ? error.message : describe(error)}\n`);
    process.exit(1);
  }
}

async function start<Config extends CommonConfig>(options: ServiceOptions<Config>): Promise<void> {
  const runtime = createRuntime(options);
  const { config, log, health, shutdown } = runtime;
  exitOnFatalErrors(log);
  collectProcessMetrics();
  prepareFailpoints(config);
  log.info('service.starting', { config: redactedConfig(options.config, config) });

  const app = await createApp(options, runtime);
  connectControl(app, runtime);
  const { shutdownBoundMs: bound = 10_000 } = options;
  stopOnSignals({ app, health, shutdown, log, boundMs: typeof bound === 'function' ? bound(config) : bound });
  await app.listen(config.HZ_HTTP_PORT, config.HZ_HTTP_HOST);
  await app.startAllMicroservices();
  health.open();
  log.info('service.started', { http: await app.getUrl() });
}

function createRuntime<Config extends CommonConfig>(options: ServiceOptions<Config>): Runtime<Config> {
  const config = readConfig(options.config, environment());
  const log = createLogger(options.name, config.HZ_INSTANCE_ID, config.HZ_LOG_LEVEL);
  const credentials = {
    url: config.HZ_NATS_URL,
    service: options.name,
    credsFile: config.HZ_NATS_CREDS_FILE,
    nkeyFile: config.HZ_NATS_NKEY_FILE,
  };
  const problems = credentialsProblems(credentials);
  if (problems.length > 0) throw new ConfigError(problems);
  const bus = Bus.connect({ ...credentials, name: config.HZ_INSTANCE_ID, log });
  const health = new Health();
  health.addReadinessCheck('bus', () => bus.problem);
  const control = new ControlClient(bus);
  const shutdown = new Shutdown(log);
  shutdown.on('bus', 'bus', () => bus.drain());
  return { name: options.name, config, log, bus, control, health, shutdown };
}

async function createApp<Config extends CommonConfig>(
  options: ServiceOptions<Config>,
  runtime: Runtime<Config>,
): Promise<INestApplication> {
  const { module: given } = options;
  const appModule = isModule(given) ? given : await given(runtime);
  const root: DynamicModule = {
    module: ServiceRoot,
    imports: [
      RuntimeModule.register(runtime),
      HealthModule.register(runtime.health, { failpoints: runtime.config.NODE_ENV !== 'production' }),
      appModule,
    ],
  };
  return NestFactory.create(root, {
    logger: new NestLogger(runtime.log),
    abortOnError: false,
    forceCloseConnections: true,
  });
}

/** The root module that contains the runtime and the app's module. */
class ServiceRoot {}

/**
 * Answers the commands that `libs/protocol` declares for this service.
 * @throws UnhandledSubjectsError unless each of them has exactly one handler
 */
function connectControl(app: INestApplication, { name, bus, health, log, shutdown }: Runtime): void {
  const commands = commandsOf(name);
  if (commands.length === 0) return;
  const server = new ControlServer({ bus, health, log, queue: name, commands });
  app.connectMicroservice({ strategy: server });
  server.assertComplete();
  shutdown.on('edge', 'control', () => server.close());
}

function prepareFailpoints(config: CommonConfig): void {
  if (config.NODE_ENV === 'production') {
    if (config.HZ_FAILPOINTS === '') return;
    throw new ConfigError([{ variable: 'HZ_FAILPOINTS', problem: 'must be empty in production' }]);
  }
  enableFailpoints({ bugs: config.NODE_ENV === 'test' });
  try {
    armFailpoints(config.HZ_FAILPOINTS);
  } catch (error) {
    throw new ConfigError([
      { variable: 'HZ_FAILPOINTS', problem: error instanceof Error ? error.message : String(error) },
    ]);
  }
}

function isModule(given: unknown): given is AppModule {
  return (
    typeof given === 'object' ||
    (typeof given === 'function' && /^class\b/.test(Function.prototype.toString.call(given)))
  );
}

/** The message names the fix; a stack would hide it. */
const isPlain = (error: unknown): error is Error =>
  error instanceof ConfigError || error instanceof UnhandledSubjectsError;

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
