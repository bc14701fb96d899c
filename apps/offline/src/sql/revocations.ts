import type pg from 'pg';

export interface RevocationRow {
  user: string;
  tokensValidFrom: number;
}

/**
 * Tokens issued until now are worth nothing any more, and every session there is has an old epoch. Seconds are all that tokens
 * tell, so one of this very second counts as older. No user twice: one statement cannot touch a row twice.
 */
export async function revokeTokens(client: pg.ClientBase, users: readonly string[]): Promise<RevocationRow[]> {
  const { rows } = await client.query<RevocationRow>({
    name: 'revoke-tokens',
    text: `with ended as (
             update offline.device set epoch = epoch + 1, revoked_epoch = epoch + 1 where user_id = any($1::text[]))
           insert into offline.revocation as r (user_id, tokens_valid_from)
           select user_id, floor(extract(epoch from clock_timestamp()))::bigint + 1 from unnest($1::text[]) as u (user_id)
           on conflict (user_id) do update
              set tokens_valid_from = greatest(r.tokens_valid_from, excluded.tokens_valid_from), revoked_at = now()
           returning user_id as "user", tokens_valid_from as "tokensValidFrom"`,
    values: [users],
  });
  return rows;
}
