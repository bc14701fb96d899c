import type { Environment } from './environment.js';
import type { Setting } from './settings.js';

/**
 * One variable of a service. Without `default` it is required. An empty variable counts as unset, as in compose files.
 */
export interface Variable<Out> {
  readonly schema: Setting<Out>;
  /** Value when unset; a function is called once per reading. Production refuses the default of a secret. */
  readonly default?: Out | (() => Out);
  /** How the documentation shows a computed default. */
  readonly defaultDoc?: string;
  /** One sentence for the operator, with unit and consequence. */
  readonly doc: string;
  /** Never shown. The value may be in a file, which `<name>_FILE` names. */
  readonly secret?: boolean;
  /** How to compose the value from other variables when it is unset. */
  readonly composed?: Composed;
}

export interface Composed {
  readonly parts: readonly string[];
  /** `undefined` when none of the parts is set. */
  readonly from: (env: Environment) => string | ConfigProblem | undefined;
}

export interface ConfigProblem {
  readonly variable: string;
  /** What is wrong and how to fix it, without the name of the variable. */
  readonly problem: string;
}

export type Variables<Values> = { readonly [Name in keyof Values]: Variable<Values[Name]> };
