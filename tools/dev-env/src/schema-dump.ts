import pg from 'pg';

/**
 * A schema as text, for comparison with the checked-in version: tables with columns, keys, indexes, partitioning. The
 * text comes from the catalogue, because the output of pg_dump differs between versions. Tables whose name matches
 * `except` are left out.
 */
export async function dumpSchema(url: string, schema: string, except: RegExp): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string; partitioned: string | null; options: string[] | null }>(
      `select c.relname as name, pg_get_partkeydef(c.oid) as partitioned, c.reloptions as options
         from pg_class c where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') order by c.relname`,
      [schema],
    );
    const texts: string[] = [];
    for (const table of tables.filter(({ name }) => !except.test(name))) {
      const lines = [...(await columns(client, schema, table.name)), ...(await indexes(client, schema, table.name))];
      const how = [table.partitioned && `partition by ${table.partitioned}`, table.options?.join(', ')].filter(Boolean);
      texts.push(
        `${table.name}${how.length > 0 ? ` (${how.join('; ')})` : ''}\n${lines.map((line) => `  ${line}\n`).join('')}`,
      );
    }
    return texts.join('\n');
  } finally {
    await client.end();
  }
}

async function columns(client: pg.Client, schema: string, table: string): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `select concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),
                      case when c.collname <> 'default' then format('collate %I', c.collname) end, case when a.attnotnull then 'not null' end,
                      'default ' || pg_get_expr(d.adbin, d.adrelid)) as line
       from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                      left join pg_collation c on c.oid = a.attcollation
      where a.attrelid = format('%I.%I', $1::text, $2::text)::regclass and a.attnum > 0 and not a.attisdropped
      order by a.attnum`,
    [schema, table],
  );
  return rows.map((row) => row.line);
}

async function indexes(client: pg.Client, schema: string, table: string): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    'select indexdef as line from pg_indexes where schemaname = $1 and tablename = $2 order by indexname',
    [schema, table],
  );
  return rows.map((row) => row.line);
}
