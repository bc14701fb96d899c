import { similarTo } from './similar.js';

const PREFIX = 'HZ_';
/** Read by the tests and by the scripts. */
const NOT_OF_A_SERVICE = /^HZ_(TEST_|RUNS$|FAULT_RUNS$|SEED$|PATH$|SHRINK$)/;

/** One line per name that no service reads although it has the prefix, or that lacks only the prefix. */
export function unknownVariables(names: readonly string[], known: ReadonlySet<string>): string[] {
  return names.flatMap((name) => {
    if (known.has(name)) return [];
    const isOurs = name.toUpperCase().startsWith(PREFIX) && !NOT_OF_A_SERVICE.test(name);
    const similar = isOurs ? similarTo(name, known) : withPrefix(name, known);
    if (similar !== undefined) return [`${name} is no variable of a service: did you mean ${similar}?`];
    return isOurs ? [`${name} is no variable of a service and has no effect`] : [];
  });
}

/** The known variable that `name` becomes with the prefix. */
function withPrefix(name: string, known: ReadonlySet<string>): string | undefined {
  const full = `${PREFIX}${name.toUpperCase()}`;
  return name.includes('_') && known.has(full) ? full : undefined;
}
