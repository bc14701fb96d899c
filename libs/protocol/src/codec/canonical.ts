/**
 * JSON text that is equal for equal values: object keys are sorted by UTF-16 units at every level. Some clients' JSON
 * libraries order keys differently at each start of the program. Fields that are undefined are omitted.
 * @param value a JSON value, nested at most as deep as a frame
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
