import { createLogger, environment, pickVariables, readConfig } from '@huizhi/runtime';
import { offlineConfig } from './config.js';
import { prepareDatabase } from './migrations/prepare.js';

/** One-shot: services only check that nothing is pending. */
async function migrate(): Promise<void> {
  const config = readConfig(
    pickVariables(offlineConfig, [
      ...(['NODE_ENV', 'LOG_LEVEL', 'INSTANCE_ID'] as const),
      ...(['OFFLINE_DATABASE_URL', 'OFFLINE_LANES', 'MESSAGE_LANES'] as const),
    ]),
    environment(),
  );
  const log = createLogger('offline', config.INSTANCE_ID, config.LOG_LEVEL);
  const names = await prepareDatabase({
    url: config.OFFLINE_DATABASE_URL,
    applicationName: config.INSTANCE_ID,
    lanes: config.OFFLINE_LANES,
    messageLanes: config.MESSAGE_LANES,
  });
  log.info('migrations.done', { names });
}

await migrate().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
