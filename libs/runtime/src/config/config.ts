import type { Environment } from './environment.js';
import type { Setting } from './settings.js';

/**
 * One variable of a service.
 * Without a `default` it is required. An empty variable counts as unset, as it does in compose files.
 */
export interface Variable<Out> {
  readonly schema: Setting<Out>;
  /** The value when unset; a function is called once per reading. A secret's default is refused in production. */
  readonly default?: Out | (() => Out);
  /** How the default is shown in the documentation when it is computed. */
  readonly defaultDoc?: string;
  /** One sentence for the operator, with unit and consequence. */
  readonly doc: string;
  readonly secret?: boolean;
}

export interface ConfigProblem {
  readonly variable: string;
  /** What is wrong and what to do, without the variable's name. */
  readonly problem: string;
}

export type Variables<Values> = { readonly [Name in keyof Values]: Variable<Values[Name]> };

export interface ConfigDefinition<Values> {
  readonly variables: Variables<Values>;
  /** Checks across variables; called only when each of them is good by itself. */
  readonly check?: (config: Readonly<Values>) => Iterable<ConfigProblem>;
}

/** The values a definition leads to: `ConfigOf<typeof messageConfig>`. */
export type ConfigOf<Definition> = Definition extends ConfigDefinition<infer Values> ? Readonly<Values> : never;

/** Lists every wrong variable at once, so that an operator mends them in one go. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config';

  constructor(readonly problems: readonly ConfigProblem[]) {
    super(['Wrong configuration:', ...problems.map((p) => `  ${p.variable}: ${p.problem}`)].join('\n'));
  }
}

export function defineConfig<Values extends object>(
  variables: Variables<Values>,
  check?: (config: Readonly<Values>) => Iterable<ConfigProblem>,
): ConfigDefinition<Values> {
  return check ? { variables, check } : { variables };
}

/**
 * Pure: text in, one frozen typed object out.
 * @throws ConfigError
 */
export function readConfig<Values extends object>(
  definition: ConfigDefinition<Values>,
  env: Environment,
): Readonly<Values> {
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, variable] of entries(definition)) {
    const outcome = readVariable(variable, env[name], env['NODE_ENV'] === 'production');
    if ('problem' in outcome) problems.push({ variable: name, problem: outcome.problem });
    else values[name] = outcome.value;
  }
  if (problems.length > 0) throw new ConfigError(problems);

  const config = Object.freeze(values) as Readonly<Values>;
  const crossed = [...(definition.check?.(config) ?? [])];
  if (crossed.length > 0) throw new ConfigError(crossed);
  return config;
}

function readVariable(
  variable: Variable<unknown>,
  text: string | undefined,
  production: boolean,
): { value: unknown } | { problem: string } {
  if (text === undefined || text.trim() === '') {
    if (!('default' in variable)) return { problem: `is required. ${variable.doc}` };
    if (variable.secret && production && defaultOf(variable) !== '')
      return { problem: `has no default in production. ${variable.doc}` };
    return { value: defaultOf(variable) };
  }
  const result = variable.schema.safeParse(text);
  if (result.success) return { value: result.data };
  const got = variable.secret ? 'the given value is not' : `"${text.slice(0, 80)}" is not`;
  return { problem: `${result.error.issues.map((issue) => issue.message).join('; ')}: ${got}. ${variable.doc}` };
}

export function defaultOf(variable: Variable<unknown>): unknown {
  return typeof variable.default === 'function' ? (variable.default as () => unknown)() : variable.default;
}

export function entries<Values extends object>(definition: ConfigDefinition<Values>): [string, Variable<unknown>][] {
  return Object.entries<Variable<unknown>>(definition.variables as Record<string, Variable<unknown>>);
}
