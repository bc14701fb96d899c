/** Minimum length; shorter names are similar to too many variables of a shell. */
const LEAST_LENGTH = 6;
const LONG = 10;

/** The known name that differs from `name` by a typing error: case, one edit, or two edits in a long name. */
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

/** Edit distance: insertions, deletions and replacements. */
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
