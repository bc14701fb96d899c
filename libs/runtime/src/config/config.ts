import type { Environment } from './environment.js';
import { secretFileOf, withSecretFiles } from './secret-files.js';
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
  /** Never shown. May come from a file, which `<name>_FILE` names. */
  readonly secret?: boolean;
  /** How to make it of other variables, for when it is unset. */
  readonly composed?: Composed;
}

export interface Composed {
  readonly parts: readonly string[];
  /** `undefined` when none of the parts is set. */
  readonly from: (env: Environment) => string | ConfigProblem | undefined;
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

/** Some of a service's variables, with those that they may be made of. No check across variables. */
export function pickVariables<Values extends object, Name extends string & keyof Values>(
  definition: ConfigDefinition<Values>,
  names: readonly Name[],
): ConfigDefinition<Pick<Values, Name>> {
  const picked = new Set<string>(
    names.flatMap((name) => [name, ...(definition.variables[name].composed?.parts ?? [])]),
  );
  const variables = Object.fromEntries(entries(definition).filter(([name]) => picked.has(name)));
  return { variables: variables as unknown as Variables<Pick<Values, Name>> };
}

/**
 * Text in, one frozen typed object out. Reads nothing but the files that hold secrets.
 * @throws ConfigError
 */
export function readConfig<Values extends object>(
  definition: ConfigDefinition<Values>,
  given: Environment,
): Readonly<Values> {
  const all = entries(definition);
  const { env, problems } = withSecretFiles(all, given);
  const values: Record<string, unknown> = {};
  const isGood = (name: string): boolean =>
    !problems.some(({ variable }) => [name, secretFileOf(name)].includes(variable));
  // Last those that are made of others.
  for (const [name, variable] of all.toSorted(([, a], [, b]) => Number('composed' in a) - Number('composed' in b))) {
    const { composed } = variable;
    if (![name, ...(composed?.parts ?? [])].every(isGood)) continue;
    const text = composed?.from(env) ?? env[name];
    const outcome = typeof text === 'object' ? text : readVariable(variable, text, env['NODE_ENV'] === 'production');
    if ('problem' in outcome) problems.push({ variable: name, ...outcome });
    else values[name] = outcome.value;
  }
  const order = new Map(all.map(([name], i) => [name, i]));
  const place = ({ variable }: ConfigProblem): number => order.get(variable) ?? -1;
  if (problems.length > 0) throw new ConfigError(problems.sort((a, b) => place(a) - place(b)));

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
  const { issues } = result.error;
  const messages = issues.map((issue) => issue.message).join('; ');
  if (issues.some((issue) => issue.code === 'custom' && issue.params?.['isWhole']))
    return { problem: `${messages}. ${variable.doc}` };
  const got = variable.secret ? 'the given value is not' : `"${text.slice(0, 80)}" is not`;
  return { problem: `${messages}: ${got}. ${variable.doc}` };
}

export function defaultOf(variable: Variable<unknown>): unknown {
  return typeof variable.default === 'function' ? (variable.default as () => unknown)() : variable.default;
}

export function entries<Values extends object>(definition: ConfigDefinition<Values>): [string, Variable<unknown>][] {
  return Object.entries<Variable<unknown>>(definition.variables as Record<string, Variable<unknown>>);
}
