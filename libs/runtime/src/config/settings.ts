import { z } from 'zod';

/** Parser of a variable: text in, `Out` for the program. */
export type Setting<Out> = z.ZodType<Out, string>;

/** A problem is a sentence without its subject (the variable) and without the value. It is shown as it is. */
export type Parsed<Out> = { readonly value: Out } | { readonly problem: string };

/** A setting whose parser formulates its own problem. */
export function parsed<Out>(parse: (text: string) => Parsed<Out>): Setting<Out> {
  return z.string().transform((text, context) => {
    const outcome = parse(text);
    if ('value' in outcome) return outcome.value;
    context.addIssue({ code: 'custom', message: outcome.problem, params: { isWhole: true } });
    return z.NEVER;
  });
}

function expecting<Out>(parse: (text: string) => Out | undefined, expected: string): Setting<Out> {
  return z.string().transform((text, context) => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `must be ${expected}` });
    return z.NEVER;
  });
}

/** Only `true` or `false`: a misread boolean could switch off security without notice. */
export function booleanSetting(): Setting<boolean> {
  return expecting((text) => (text === 'true' ? true : text === 'false' ? false : undefined), 'true or false');
}

/** Decimal digits with an optional sign; both bounds are inclusive. */
export function integerSetting(min: number, max: number): Setting<number> {
  return expecting((text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? value : undefined;
  }, `an integer, ${min} to ${max}`);
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A whole number with its unit (`250ms`, `10s`, `5m`, `2h`, `30d`), parsed to milliseconds. A number without a unit is
 * an error.
 */
export function durationSetting(minMs: number, maxMs: number): Setting<number> {
  return expecting((text) => {
    const [, digits, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? [];
    const value = digits && unit ? Number(digits) * (UNITS[unit] ?? NaN) : NaN;
    return value >= minMs && value <= maxMs ? value : undefined;
  }, `a duration with a unit (ms, s, m, h, d), ${minMs} ms to ${maxMs} ms`);
}

export function choiceSetting<const Choice extends string>(choices: readonly Choice[]): Setting<Choice> {
  return expecting((text) => choices.find((choice) => choice === text), `one of ${choices.join(', ')}`);
}

/** Text of at most `maxLength` characters, optionally of a shape that `expected` describes. */
export function textSetting(maxLength = 1_000, shape?: RegExp, expected?: string): Setting<string> {
  return expecting(
    (text) => (text.length <= maxLength && (!shape || shape.test(text)) ? text : undefined),
    expected ?? `text of at most ${maxLength} characters`,
  );
}
