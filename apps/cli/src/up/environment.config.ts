/**
 * The environment of `hz up`. Removes the variables that node-postgres reads besides a URL (PGSSLMODE, PGOPTIONS,
 * PGPASSWORD …) from this process, because those of the caller's shell belong to other servers.
 */
export function environmentOf(): Readonly<Record<string, string | undefined>> {
  for (const name of Object.keys(process.env)) if (/^PG[A-Z_]+$/.test(name)) delete process.env[name];
  return { ...process.env };
}
