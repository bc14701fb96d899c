import { startEnvironment } from './environment.mjs';
import { cli, run } from './run.mjs';
import { setup } from './setup.mjs';

await cli(async () => {
  await setup();
  const { code } = await run(process.execPath, ['dist/tools/fuzz/src/main.js', ...process.argv.slice(2)], {
    env: startEnvironment(process.env),
  });
  return code;
});
