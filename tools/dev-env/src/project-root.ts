import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder whose `package.json` lists the workspaces: this package runs both from its sources (jest) and from `dist`,
 * which are at different depths.
 * @throws when it runs from neither
 */
export function projectRoot(from = import.meta.dirname): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && 'workspaces' in JSON.parse(readFileSync(manifest, 'utf8'))) return folder;
  }
  throw new Error(`no package.json with workspaces in any folder above ${from}: run this from the project`);
}
