import { createLogger, environment, pickVariables, readConfig } from '@huizhi/runtime';
import { offlineConfig } from './config.js';
import { prepareDatabase } from './migrations/prepare.js';

/** Runs once per deployment; services only check that no migration is pending. */
async function migrate(): Promise<void> {
  const config = readConfig(
    pickVariables(offlineConfig, [
      ...(['NODE_ENV', 'HZ_LOG_LEVEL', 'HZ_INSTANCE_ID'] as const),
      ...(['HZ_OFFLINE_DATABASE_URL', 'HZ_OFFLINE_LANES', 'HZ_MESSAGE_LANES'] as const),
    ]),
    environment(),
  );
  const log = createLogger('offline', config.HZ_INSTANCE_ID, config.HZ_LOG_LEVEL);
  const names = await prepareDatabase({
    url: config.HZ_OFFLINE_DATABASE_URL,
    applicationName: config.HZ_INSTANCE_ID,
    lanes: config.HZ_OFFLINE_LANES,
    messageLanes: config.HZ_MESSAGE_LANES,
  });
  log.info('migrations.done', { names });
}

await migrate().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
