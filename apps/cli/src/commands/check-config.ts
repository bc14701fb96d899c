import { projectRoot, type ServiceName } from '@huizhi/dev-env';
import { Argument, Command } from 'commander';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv, styleText } from 'node:util';
import { environmentOf } from '../up/environment.config.js';
import { serviceConfigs, type ServiceConfig } from '../up/service-configs.js';
import { unknownVariables } from '../up/unknown-variables.js';

const SERVICES = ['gateway', 'message', 'offline', 'media', 'push'] as const;

type Environment = Readonly<Record<string, string | undefined>>;

interface CheckConfigOptions {
  file?: string;
  all: boolean;
}

/**
 * `hz check-config [service...]`: checks the environment, or a file of variables, as the services would read it. Exit
 * code 1 when a service would not start with it.
 */
export function checkConfigCommand(): Command {
  return new Command('check-config')
    .description('check the environment variables of services, and explain each')
    .addArgument(new Argument('[service...]', 'default: every service of this installation').choices(SERVICES))
    .option('--file <file>', 'read the variables from this file and not from the environment')
    .option('--all', 'show variables that have their default, too', false)
    .action(async (services: ServiceName[], options: CheckConfigOptions, command: Command) => {
      try {
        process.exitCode = (await checkConfig(services, options)) ? 0 : 1;
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}

async function checkConfig(asked: readonly ServiceName[], options: CheckConfigOptions): Promise<boolean> {
  const env = options.file === undefined ? environmentOf() : variablesOf(options.file);
  const configs = await serviceConfigs(asked.length > 0 ? asked : SERVICES.filter(isInstalled));
  let isGood = true;
  for (const [name, config] of configs) {
    if (!printService(name, config, env, options.all)) isGood = false;
  }
  // A variable of a service that was not asked for is not unknown.
  const all = asked.length > 0 ? await serviceConfigs(SERVICES.filter(isInstalled)) : configs;
  const known = new Set([...all.values()].flatMap(({ variables }) => [...variables]));
  for (const line of unknownVariables(Object.keys(env), known)) print(`\n${line}`);
  return isGood;
}

/** Prints one service. Returns whether it would start. */
function printService(name: string, config: ServiceConfig, env: Environment, all: boolean): boolean {
  const { problems } = config.read(env);
  print(styleText('bold', `\n${name}`));
  for (const { name: variable, source, value, doc } of config.explain(env)) {
    if (source === 'default' && !all) continue;
    print(`  ${[variable, value, `(${source})`].filter((text) => text !== '').join('  ')}\n    ${doc}`);
  }
  if (problems.length === 0) print(`  ${name} would start with these.`);
  else print(`  ${name} would not start:\n${problems.map((problem) => `    ${problem}`).join('\n')}`);
  return problems.length === 0;
}

const isInstalled = (service: ServiceName): boolean =>
  existsSync(join(projectRoot(), 'dist/apps', service, 'src/config.js'));

/** @throws when the file cannot be read */
function variablesOf(file: string): Environment {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Error(`--file: cannot read ${file}`, { cause });
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
