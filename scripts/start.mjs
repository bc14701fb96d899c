import { startEnvironment } from './environment.mjs';
import { cli, run } from './run.mjs';
import { setup } from './setup.mjs';

await cli(async () => {
  await setup();
  const args = ['dist/apps/cli/src/main.js', 'up', ...process.argv.slice(2)];
  const { code } = await run(process.execPath, args, { env: startEnvironment(process.env) });
  return code;
});
