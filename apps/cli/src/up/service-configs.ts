import { projectRoot, type ServiceName } from '@huizhi/dev-env';
import type { ConfigRow } from '@huizhi/runtime';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment variables of a service, as far as a start uses them. */
export interface ServiceConfig {
  /** Names of all variables, including the `_FILE` variants of secrets. */
  readonly variables: ReadonlySet<string>;
  /** Every variable with the source of its value and its meaning. */
  readonly explain: (env: Environment) => ConfigRow[];
  /** Reads an environment like the service does. */
  readonly read: (env: Environment) => Reading;
}

export interface Reading {
  /** Problems as `<name>: <sentence>`; if there are any, `values` is empty. */
  readonly problems: readonly string[];
  readonly values: Readonly<Record<string, unknown>>;
}

export type ServiceConfigs = ReadonlyMap<ServiceName, ServiceConfig>;

interface Definition {
  readonly variables: Readonly<Record<string, { readonly secret?: boolean }>>;
}

interface ConfigModule {
  readonly readConfig: (definition: Definition, env: Environment) => Reading['values'];
}

interface DescribeModule {
  readonly explainConfig: (definition: Definition, env: Environment) => ConfigRow[];
}

/**
 * Loads the services' definitions from the build in `dist`, because services are separate programs.
 * @throws when there is no build
 */
export async function serviceConfigs(names: readonly ServiceName[]): Promise<ServiceConfigs> {
  const { readConfig } = await built<ConfigModule>('libs/runtime/src/config/config.js');
  const { explainConfig } = await built<DescribeModule>('libs/runtime/src/config/describe.js');
  const load = async (name: ServiceName): Promise<[ServiceName, ServiceConfig]> => {
    const { [`${name}Config`]: definition } = await built<Record<string, Definition>>(`apps/${name}/src/config.js`);
    if (!definition) throw new Error(`apps/${name}/src/config.ts exports no ${name}Config`);
    const variables = Object.entries(definition.variables).flatMap(([variable, { secret }]) =>
      secret ? [variable, `${variable}_FILE`] : [variable],
    );
    return [
      name,
      {
        variables: new Set(variables),
        explain: (env) => explainConfig(definition, env),
        read: (env) => reading(() => readConfig(definition, env)),
      },
    ];
  };
  const configs: [ServiceName, ServiceConfig][] = [];
  // Sequential, because the services share most of their imports.
  for (const name of names) configs.push(await load(name));
  return new Map(configs);
}

function reading(read: () => Reading['values']): Reading {
  try {
    return { problems: [], values: read() };
  } catch (error) {
    const { problems } = error as { problems?: readonly { variable: string; problem: string }[] };
    if (problems === undefined) throw error;
    return { problems: problems.map(({ variable, problem }) => `${variable}: ${problem}`), values: {} };
  }
}

async function built<Module>(path: string): Promise<Module> {
  const file = join(projectRoot(), 'dist', path);
  try {
    return (await import(pathToFileURL(file).href)) as Module;
  } catch (cause) {
    throw new Error(`cannot load ${file}: run \`npm run build\``, { cause });
  }
}
