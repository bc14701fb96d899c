export type Environment = Readonly<Record<string, string | undefined>>;

/** The only place in the services that reads `process.env`. Returns a copy, so that later changes have no effect. */
export function environment(): Environment {
  return { ...process.env };
}
