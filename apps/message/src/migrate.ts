import { migrateService } from '@huizhi/runtime';
import { messageConfig } from './config.js';
import { databaseOptions } from './database.js';

await migrateService({
  urlName: 'MESSAGE_DATABASE_URL',
  url: messageConfig.variables.MESSAGE_DATABASE_URL,
  lanesName: 'MESSAGE_LANES',
  lanes: messageConfig.variables.MESSAGE_LANES,
  options: (url) => databaseOptions(url, 'message migrate'),
});
