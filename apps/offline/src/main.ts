import { runService } from '@huizhi/runtime';
import { offlineConfig } from './config.js';
import { OfflineModule } from './offline.module.js';

await runService({
  name: 'offline',
  config: offlineConfig,
  module: (runtime) => OfflineModule.register(runtime),
});
