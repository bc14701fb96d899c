import { createLogger, environment, readConfig } from '@huizhi/runtime';
import { offlineConfig } from './config.js';
import { prepareDatabase } from './migrations/prepare.js';

// One-shot: services only check that nothing is pending. HTTP_PORT means nothing here.
const config = readConfig(offlineConfig, { HTTP_PORT: '0', NATS_URL: 'nats://unused', ...environment() });
const log = createLogger('offline', config.INSTANCE_ID, config.LOG_LEVEL);
const names = await prepareDatabase({
  url: config.OFFLINE_DATABASE_URL,
  applicationName: config.INSTANCE_ID,
  lanes: config.OFFLINE_LANES,
  messageLanes: config.MESSAGE_LANES,
});
log.info('migrations.done', { names });
