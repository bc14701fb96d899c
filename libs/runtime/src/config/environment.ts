export type Environment = Readonly<Record<string, string | undefined>>;

/** The only place of the services that reads `process.env`. A copy, so that nobody configures a running process by accident. */
export function environment(): Environment {
  return { ...process.env };
}
