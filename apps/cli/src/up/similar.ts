/** Shorter names are near too many others of a shell's environment. */
const LEAST_LENGTH = 6;
const LONG = 10;

/** The known name that differs from this one by a slip: other letters' case, one edit, or two in a long name. */
export function similarTo(name: string, known: Iterable<string>): string | undefined {
  if (name.length < LEAST_LENGTH) return undefined;
  const upper = name.toUpperCase();
  for (const one of known) {
    if (one.length < LEAST_LENGTH) continue;
    const most = Math.min(one.length, name.length) >= LONG ? 2 : 1;
    if (Math.abs(one.length - name.length) <= most && distance(upper, one) <= most) return one;
  }
  return undefined;
}

/** Insertions, deletions and replacements from one to the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
