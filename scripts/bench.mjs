import { startEnvironment } from './environment.mjs';
import { cli, run } from './run.mjs';
import { setup } from './setup.mjs';

/** `plot` draws with what the development packages bring, so it is no part of `hz`. */
const isPlot = process.argv[2] === 'plot';

await cli(async () => {
  await setup();
  const program = isPlot
    ? ['scripts/generate-docs.mjs']
    : ['dist/apps/cli/src/main.js', 'bench', ...process.argv.slice(2)];
  const { code } = await run(process.execPath, program, { env: startEnvironment(process.env) });
  return code;
});
