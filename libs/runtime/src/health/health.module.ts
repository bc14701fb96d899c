import { Module, type DynamicModule } from '@nestjs/common';
import { FailpointsController } from './failpoints.controller.js';
import { HealthController } from './health.controller.js';
import { Health } from './health.js';

/** HTTP endpoints for operators: probes, metrics and, outside production, failpoints. */
@Module({})
export class HealthModule {
  static register(health: Health, options: { readonly failpoints: boolean }): DynamicModule {
    return {
      module: HealthModule,
      controllers: options.failpoints ? [HealthController, FailpointsController] : [HealthController],
      providers: [{ provide: Health, useValue: health }],
    };
  }
}
