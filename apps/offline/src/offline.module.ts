import { Module, type DynamicModule } from '@nestjs/common';
import { type Runtime } from '@huizhi/runtime';
import { startWhenPossible } from '@huizhi/database';
import type { OfflineConfig } from './config.js';
import { OfflineService } from './offline-service.js';
import { RevocationsController } from './sessions/revocations.controller.js';
import { Revoker } from './sessions/revoker.js';

/** The offline service: the inbox lanes of users, and the cursors of their devices. Wired to the runtime here. */
@Module({})
export class OfflineModule {
  static register({ config, bus, log, health, shutdown }: Runtime<OfflineConfig>): DynamicModule {
    const service = new OfflineService({ config, bus, log });
    health.addReadinessCheck('database', () => service.databaseStatus());
    health.addReadinessCheck('lanes', () => service.laneStatus());
    health.addLivenessCheck('lanes', () => service.keeper.stallStatus());
    shutdown.on('work', 'lanes', () => service.stop());
    shutdown.on('database', 'connections', () => service.close());
    // An error that waiting cannot fix becomes an unhandled rejection by design: the process logs it, ends and is
    // restarted.
    void startWhenPossible('start', { log, health, signal: shutdown.signal }, () => service.start(shutdown.signal));
    return {
      module: OfflineModule,
      controllers: [RevocationsController],
      providers: [
        { provide: OfflineService, useValue: service },
        { provide: Revoker, useValue: new Revoker(bus, config.HZ_OFFLINE_LANES) },
      ],
    };
  }
}
