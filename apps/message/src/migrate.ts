import { environment, migrateService, pickVariables, readConfig } from '@huizhi/runtime';
import { messageConfig } from './config.js';
import { databaseOptions } from './database.js';

await migrateService(() => {
  const definition = pickVariables(messageConfig, ['NODE_ENV', 'MESSAGE_DATABASE_URL', 'MESSAGE_LANES']);
  const { MESSAGE_DATABASE_URL: url, MESSAGE_LANES: lanes } = readConfig(definition, environment());
  return { database: databaseOptions(url, 'message migrate'), lanes };
});
