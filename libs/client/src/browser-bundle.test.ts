import { expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const MAX_BYTES = 64 * 1024;

test('the browser bundle contains only files of libs/client and libs/protocol, and is below 64 KiB', async () => {
  const { metafile, outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./browser.ts', import.meta.url))],
    ...{ bundle: true, minify: true, platform: 'browser', format: 'esm', target: 'es2022' },
    ...{ write: false, metafile: true, logLevel: 'silent' },
  });
  const foreign = Object.keys(metafile.inputs).filter((file) => !/(^|\/)libs\/(client|protocol)\/src\//.test(file));
  expect(foreign).toEqual([]);
  const imported = Object.values(metafile.outputs).flatMap((output) => output.imports);
  expect(imported).toEqual([]);
  expect(outputFiles[0]!.contents.length).toBeLessThan(MAX_BYTES);
});
