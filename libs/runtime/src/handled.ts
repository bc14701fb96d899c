/** A declared name has no handler or several, or a handler has an undeclared name. */
export class UnhandledSubjectsError extends Error {
  override readonly name = 'UnhandledSubjectsError';
  readonly code = 'unhandled_subjects';
}

/**
 * Checks at start that every declared subject, command or job has exactly one handler.
 * @param what kind of the names, for the message: "subject", "command", "job"
 * @throws UnhandledSubjectsError with every wrong name and its fix: a process without all its handlers must not start
 */
export function assertAllHandled(declared: Iterable<string>, handled: Iterable<string>, what = 'subject'): void {
  const expected = new Set(declared);
  const counts = new Map<string, number>();
  for (const name of handled) counts.set(name, (counts.get(name) ?? 0) + 1);

  const problems: string[] = [];
  for (const name of expected) {
    if (!counts.has(name)) problems.push(`${what} "${name}" has no handler: add one, or remove its declaration`);
  }
  for (const [name, count] of counts) {
    if (!expected.has(name))
      problems.push(`${what} "${name}" is handled but not declared: declare it, or fix the name`);
    if (count > 1) problems.push(`${what} "${name}" has ${count} handlers: keep one`);
  }
  if (problems.length > 0) throw new UnhandledSubjectsError(problems.join('\n'));
}
