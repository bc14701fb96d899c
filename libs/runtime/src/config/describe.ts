import { defaultOf, entries, type ConfigDefinition } from './config.js';
import type { Environment } from './environment.js';
import { secretFileOf } from './secret-files.js';
import type { Variable } from './variable.js';

/** The configuration as it may be logged or shown: every secret is replaced, also a default. */
export function redactedConfig<Values extends object>(
  definition: ConfigDefinition<Values>,
  config: Readonly<Values>,
): Record<string, unknown> {
  const values = config as Record<string, unknown>;
  return Object.fromEntries(entries(definition).map(([name, v]) => [name, v.secret ? '[secret]' : values[name]]));
}

/** One variable of a service as an operator sees it. */
export interface ConfigRow {
  readonly name: string;
  /** `set`: in the environment; `file`: a secret in a file; `composed`: from other variables; `missing`: required. */
  readonly source: 'set' | 'file' | 'composed' | 'default' | 'missing';
  /** A secret is replaced, and so are the credentials in a URL. */
  readonly value: string;
  readonly doc: string;
}

/** Every variable with the source of its value. Invalid values are shown as given: {@link readConfig} checks them. */
export function explainConfig<Values extends object>(
  definition: ConfigDefinition<Values>,
  env: Environment,
): ConfigRow[] {
  const isSet = (name: string): boolean => (env[name] ?? '').trim() !== '';
  return entries(definition).map(([name, variable]) => {
    const { doc } = variable;
    if (isSet(name)) return { name, source: 'set', value: shownValue(variable, env[name] ?? ''), doc };
    if (variable.secret && isSet(secretFileOf(name))) return { name, source: 'file', value: '[secret]', doc };
    if (variable.composed?.parts.some(isSet)) return { name, source: 'composed', value: '', doc };
    if (!('default' in variable)) return { name, source: 'missing', value: '', doc };
    const value = (variable.defaultDoc ?? String(defaultOf(variable))).replaceAll('`', '');
    return { name, source: 'default', value, doc };
  });
}

/** Of the URL of a server the credentials are replaced: up to the last `@`, since a password may not be encoded. */
const shownValue = ({ secret, composed }: Variable<unknown>, text: string): string =>
  secret && !composed ? '[secret]' : text.trim().replace(/:\/\/.*@/gs, '://[secret]@');

/** The variables as a Markdown table in the order of their declaration, for the generated documentation. */
export function configTable<Values extends object>(definition: ConfigDefinition<Values>): string {
  const rows = entries(definition).map(([name, variable]) => {
    const value = variable.composed
      ? '**required**, or its parts'
      : 'default' in variable
        ? (variable.defaultDoc ?? shown(defaultOf(variable)))
        : '**required**';
    const doc = variable.secret
      ? `${variable.doc} Secret; \`${secretFileOf(name)}\` may name a file that holds it.`
      : variable.doc;
    return `| \`${name}\` | ${cell(value)} | ${cell(doc)} |`;
  });
  return ['| variable | default | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

function shown(value: unknown): string {
  return value === undefined || value === ''
    ? 'empty'
    : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
