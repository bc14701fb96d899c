import { readFileSync } from 'node:fs';
import type { ConfigProblem, Variable } from './variable.js';
import type { Environment } from './environment.js';

/** The variable that names the file of a secret. */
export const secretFileOf = (name: string): string => `${name}_FILE`;

/** The environment with the secrets that are in files. A line end at the end of a file is removed. */
export function withSecretFiles(
  variables: readonly (readonly [string, Variable<unknown>])[],
  given: Environment,
): { env: Environment; problems: ConfigProblem[] } {
  const env: Record<string, string | undefined> = { ...given };
  const problems: ConfigProblem[] = [];
  for (const [name, { secret }] of variables) {
    const variable = secretFileOf(name);
    const file = given[variable]?.trim();
    if (!secret || !file) continue;
    if (given[name]?.trim()) {
      problems.push({ variable, problem: `give either ${name} or ${variable}, not both` });
      continue;
    }
    try {
      env[name] = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
      if (env[name].trim() === '') problems.push({ variable, problem: `names the file ${file}, which is empty` });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      problems.push({ variable, problem: `names the file ${file}, which cannot be read (${code})` });
    }
  }
  return { env, problems };
}
