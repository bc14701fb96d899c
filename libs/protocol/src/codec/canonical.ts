/**
 * JSON text that is the same for the same value: the keys of objects are in order of their UTF-16 units, at every level. Objects are
 * unordered, and there are clients whose JSON library orders their keys anew each time the program starts. What is undefined is absent.
 * @param value what JSON may hold, at most as deep as a frame
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  const fields = value as Record<string, unknown>;
  const members: string[] = [];
  for (const key of Object.keys(fields).sort()) {
    if (fields[key] !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(fields[key])}`);
  }
  return `{${members.join()}}`;
}
