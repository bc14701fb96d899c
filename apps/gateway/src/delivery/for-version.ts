import { KINDS_OF_VERSION_1 } from '@huizhi/protocol';

/** Version 1 clients cannot read JSON arrays. */
export const FIRST_WITH_BATCHES = 2;
/** The first version whose clients handle an unknown `contenType` themselves. */
const FIRST_WITH_OPEN_KINDS = 2;

/** Replaces the content of a message whose kind the client does not know. */
const TOO_OLD = { text: 'This message cannot be shown by this version: please upgrade.' };

/**
 * A delivery in a form that a client of this version can show. A message of a kind unknown to version 1 becomes a `tip`
 * with the same `messageID`, so that the client receipts it. For later versions the text is returned unparsed.
 */
export function forVersion(version: number, delivery: string): string {
  if (version >= FIRST_WITH_OPEN_KINDS) return delivery;
  const message = JSON.parse(delivery) as { contenType?: unknown };
  if (typeof message.contenType === 'string' && KINDS_OF_VERSION_1.has(message.contenType)) return delivery;
  return JSON.stringify({ ...message, contenType: 'tip', content: TOO_OLD });
}
