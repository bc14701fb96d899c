import { defaultOf, entries, type ConfigDefinition } from './config.js';
import { secretFileOf } from './secret-files.js';

/** The configuration as it may be logged or shown: every secret is replaced, also a default. */
export function redactedConfig<Values extends object>(
  definition: ConfigDefinition<Values>,
  config: Readonly<Values>,
): Record<string, unknown> {
  const values = config as Record<string, unknown>;
  return Object.fromEntries(entries(definition).map(([name, v]) => [name, v.secret ? '[secret]' : values[name]]));
}

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
