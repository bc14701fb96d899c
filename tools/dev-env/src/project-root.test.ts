import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { projectRoot } from './project-root.js';

it('is found in the image of the services, too: `hz` is in it', () => {
  const root = mkdtempSync(join(tmpdir(), 'huizhi-image-'));
  try {
    const code = join(root, 'dist/tools/dev-env/src');
    mkdirSync(code, { recursive: true });
    writeFileSync(join(root, 'package.json'), '{}');
    expect(projectRoot(code)).toBe(root);
  } finally {
    rmSync(root, { recursive: true });
  }
});
