import { startEnvironment } from './environment.mjs';
import { cli, run } from './run.mjs';
import { setup } from './setup.mjs';

/** `plot` needs development packages, so the load tool has no such mode. */
const isPlot = process.argv[2] === 'plot';

await cli(async () => {
  await setup();
  const program = isPlot ? ['scripts/generate-docs.mjs'] : ['dist/tools/load/src/main.js', ...process.argv.slice(2)];
  const { code } = await run(process.execPath, program, { env: startEnvironment(process.env) });
  return code;
});
