import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder that holds `package.json`: this library runs both from its sources (jest) and from `dist`, which are at
 * different depths. Throws when it runs from neither.
 */
export function projectRoot(from = import.meta.dirname): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  throw new Error(`no package.json in any folder above ${from}: run this from the project`);
}
