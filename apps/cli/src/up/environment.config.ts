/**
 * The environment of `hz up`. What node-postgres would read of it beside a URL is removed from this process: PGSSLMODE, PGOPTIONS
 * or PGPASSWORD of the caller's shell belong to other servers than the one that is started here.
 */
export function environmentOf(): Readonly<Record<string, string | undefined>> {
  for (const name of Object.keys(process.env)) if (/^PG[A-Z_]+$/.test(name)) delete process.env[name];
  return { ...process.env };
}
