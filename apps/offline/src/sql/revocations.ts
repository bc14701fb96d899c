import type pg from 'pg';

export interface RevocationRow {
  user: string;
  tokensValidFrom: number;
}

/**
 * Ends every session of the users by a higher epoch, and every token issued until now:
 * - The time is the database's, because it is the only clock that all instances share.
 * - An accepted token may have been issued up to the leeway ahead. Tokens tell whole seconds, so that second is
 * included.
 * - A token that a device has logged in with is ended regardless of the clocks of gateways and issuer.
 * Each user once: one statement cannot change a row twice.
 */
export async function revokeTokens(
  client: pg.ClientBase,
  users: readonly string[],
  leewayMs: number,
): Promise<RevocationRow[]> {
  const { rows } = await client.query<RevocationRow>({
    name: 'revoke-tokens',
    text: `with ended as (
             update offline.device set epoch = epoch + 1, revoked_epoch = epoch + 1 where user_id = any($1::text[])
             returning user_id, issued_at)
           insert into offline.revocation as r (user_id, tokens_valid_from)
           select u.user_id, 1 + greatest(
                    floor(extract(epoch from clock_timestamp()) + $2::numeric / 1000)::bigint,
                    (select max(ended.issued_at) from ended where ended.user_id = u.user_id))
             from unnest($1::text[]) as u (user_id)
           on conflict (user_id) do update
              set tokens_valid_from = greatest(r.tokens_valid_from, excluded.tokens_valid_from), revoked_at = now()
           returning user_id as "user", tokens_valid_from as "tokensValidFrom"`,
    values: [users, leewayMs],
  });
  return rows;
}
