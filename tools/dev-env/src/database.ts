import pg from 'pg';

/** The database URL of each schema's role, keyed by schema. */
export type SchemaUrls<S extends string> = Record<S, string>;

/**
 * Creates a database with one role per schema. A role owns its schema, has it as search path, and can enter no other.
 * `admin` is a superuser's URL to any database of that server. Existing objects are kept; passwords are set again. A
 * role is named hz_<database>_<schema>.
 */
export async function createSchemas<S extends string>(
  admin: string,
  database: string,
  passwords: Record<S, string>,
): Promise<SchemaUrls<S>> {
  const schemas = Object.keys(passwords) as S[];
  const db = pg.escapeIdentifier(database);
  await withClient(admin, async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${db} template template0 encoding 'UTF8' locale 'C'`);
    await client.query(`revoke all on database ${db} from public`);
    for (const schema of schemas) {
      const name = roleName(database, schema);
      const role = pg.escapeIdentifier(name);
      const { rowCount: found } = await client.query('select from pg_roles where rolname = $1', [name]);
      if (found === 0) await client.query(`create role ${role} login`);
      await client.query(`alter role ${role} login password ${pg.escapeLiteral(passwords[schema])}`);
      await client.query(`alter role ${role} in database ${db} set search_path = ${pg.escapeIdentifier(schema)}`);
      await client.query(`grant connect on database ${db} to ${role}`);
    }
  });
  await withClient(withDatabase(admin, database), async (client) => {
    await client.query('revoke all on schema public from public');
    for (const schema of schemas) {
      const role = pg.escapeIdentifier(roleName(database, schema));
      await client.query(`create schema if not exists ${pg.escapeIdentifier(schema)} authorization ${role}`);
    }
  });
  const urls = schemas.map((schema) => [schema, roleUrl(admin, database, schema, passwords[schema])]);
  return Object.fromEntries(urls) as SchemaUrls<S>;
}

/** Drops the database with its open connections, then its roles. Does nothing when they do not exist. */
export async function dropDatabase(admin: string, database: string, schemas: readonly string[]): Promise<void> {
  await withClient(admin, async (client) => {
    await client.query(`drop database if exists ${pg.escapeIdentifier(database)} with (force)`);
    for (const schema of schemas) {
      await client.query(`drop role if exists ${pg.escapeIdentifier(roleName(database, schema))}`);
    }
  });
}

export function roleName(database: string, schema: string): string {
  const name = `hz_${database}_${schema}`;
  // PostgreSQL silently truncates longer names, so two roles could get the same name.
  if (Buffer.byteLength(name) > 63)
    throw new Error(`the role name ${name} is longer than 63 bytes: shorten the database's`);
  return name;
}

function roleUrl(admin: string, database: string, schema: string, password: string): string {
  const url = new URL(withDatabase(admin, database));
  url.username = roleName(database, schema);
  url.password = password;
  return url.href;
}

function withDatabase(href: string, database: string): string {
  const url = new URL(href);
  url.pathname = `/${database}`;
  return url.href;
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
