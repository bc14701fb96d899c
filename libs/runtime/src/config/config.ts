import type { Environment } from './environment.js';
import { secretFileOf, withSecretFiles } from './secret-files.js';
import type { ConfigProblem, Variable, Variables } from './variable.js';

export interface ConfigDefinition<Values> {
  readonly variables: Variables<Values>;
  /** Check across variables; called only when each variable is valid by itself. */
  readonly check?: (config: Readonly<Values>) => Iterable<ConfigProblem>;
}

/** The type of the values of a definition: `ConfigOf<typeof messageConfig>`. */
export type ConfigOf<Definition> = Definition extends ConfigDefinition<infer Values> ? Readonly<Values> : never;

/** Contains every wrong variable, so that an operator can fix all of them at once. */
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

/** Some variables of a service, with the parts of which they may be composed. No check across variables. */
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
 * Parses the given texts into one frozen, typed object. Reads only the files of secrets.
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
  // Composed variables come last, after their parts.
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
