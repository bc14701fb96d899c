import { environment, pickVariables, readConfig } from '@huizhi/runtime';
import { migrateService } from '@huizhi/database';
import { messageConfig } from './config.js';
import { databaseOptions } from './database.js';

await migrateService(() => {
  const definition = pickVariables(messageConfig, ['NODE_ENV', 'HZ_MESSAGE_DATABASE_URL', 'HZ_MESSAGE_LANES']);
  const { HZ_MESSAGE_DATABASE_URL: url, HZ_MESSAGE_LANES: lanes } = readConfig(definition, environment());
  return { database: databaseOptions(url, 'message migrate'), lanes };
});
