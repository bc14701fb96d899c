import { Module, type DynamicModule } from '@nestjs/common';
import { pause, type Runtime } from '@huizhi/runtime';
import type { OfflineConfig } from './config.js';
import { OfflineService } from './offline-service.js';
import { RevocationsController } from './sessions/revocations.controller.js';
import { Revoker } from './sessions/revoker.js';

/** How long the start waits for the database before it goes on, not ready: what is wrong with it is then said at once. */
const PATIENCE_MS = 3_000;

/** The offline service: users' inbox lanes, what each device still owes a receipt for. Wired to the runtime here. */
@Module({})
export class OfflineModule {
  static async register({ config, bus, log, health, shutdown }: Runtime<OfflineConfig>): Promise<DynamicModule> {
    const service = new OfflineService({ config, bus, log });
    health.dependency('database', () => service.databaseStatus());
    health.dependency('lanes', () => service.laneStatus());
    shutdown.on('work', 'lanes', () => service.stop());
    shutdown.on('database', 'connections', () => service.close());
    // What start() throws after that ends the process as an unhandled rejection, by design: crash, say why, start anew.
    await Promise.race([service.start(shutdown.signal), pause(PATIENCE_MS, shutdown.signal)]);
    return {
      module: OfflineModule,
      controllers: [RevocationsController],
      providers: [
        { provide: OfflineService, useValue: service },
        { provide: Revoker, useValue: new Revoker(bus, config.OFFLINE_LANES) },
      ],
    };
  }
}
