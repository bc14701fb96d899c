import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder that holds `nest-cli.json`: this library runs both from its sources (jest) and from `dist`, which are at
 * different depths. Throws when it runs from neither.
 */
export function projectRoot(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'nest-cli.json'))) return folder;
  }
  throw new Error(`no nest-cli.json in any folder above ${import.meta.dirname}: run this from the project`);
}
