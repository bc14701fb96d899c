import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from './project-root.js';

test('projectRoot finds the folder with the workspaces from dist, past the package.json of a package', () => {
  const root = mkdtempSync(join(tmpdir(), 'huizhi-image-'));
  try {
    const code = join(root, 'dist/tools/dev-env/src');
    mkdirSync(code, { recursive: true });
    writeFileSync(join(root, 'package.json'), '{"workspaces":[]}');
    writeFileSync(join(root, 'dist/tools/dev-env/package.json'), '{}');
    expect(projectRoot(code)).toBe(root);
  } finally {
    rmSync(root, { recursive: true });
  }
});
