import { Global, Module, type DynamicModule } from '@nestjs/common';
import { Bus } from '../bus/bus.js';
import type { CommonConfig } from '../config/common.js';
import { ControlClient } from '../control/control-client.js';
import { Health } from '../health/health.js';
import type { Logger } from '../log/logger.js';
import { Shutdown } from '../shutdown/shutdown.js';
import { CONFIG_TOKEN, LOGGER_TOKEN } from './tokens.js';

/** What Nest can inject in every part of a service. */
export interface Runtime<Config extends CommonConfig = CommonConfig> {
  readonly name: string;
  readonly config: Readonly<Config>;
  readonly log: Logger;
  readonly bus: Bus;
  readonly control: ControlClient;
  readonly health: Health;
  readonly shutdown: Shutdown;
}

@Global()
@Module({})
export class RuntimeModule {
  static register(runtime: Runtime): DynamicModule {
    const providers = [
      { provide: CONFIG_TOKEN, useValue: runtime.config },
      { provide: LOGGER_TOKEN, useValue: runtime.log },
      { provide: Bus, useValue: runtime.bus },
      { provide: ControlClient, useValue: runtime.control },
      { provide: Health, useValue: runtime.health },
      { provide: Shutdown, useValue: runtime.shutdown },
    ];
    return { module: RuntimeModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
