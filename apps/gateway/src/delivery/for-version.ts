/** Version 1 reads no JSON array. */
export const FIRST_WITH_BATCHES = 2;
/** From here on clients pass over, or show as they like, kinds of content that they do not know. */
const FIRST_WITH_OPEN_KINDS = 2;

/** What the guide's client can show. */
const KINDS_OF_VERSION_1 = new Set(['text', 'voice', 'picture', 'video', 'file', 'tip', 'repeal']);

/** Shown in place of what a client is too old for. */
const TOO_OLD = { text: 'This message cannot be shown by this version: please upgrade.' };

/**
 * A delivery as a client of this version can take it: what it cannot show becomes a tip, with the same `messageID` and place, so
 * that it is receipted like any other. For version 1 the text is parsed, for all others it passes through untouched.
 */
export function forVersion(version: number, delivery: string): string {
  if (version >= FIRST_WITH_OPEN_KINDS) return delivery;
  const message = JSON.parse(delivery) as { contenType?: unknown };
  if (typeof message.contenType === 'string' && KINDS_OF_VERSION_1.has(message.contenType)) return delivery;
  return JSON.stringify({ ...message, contenType: 'tip', content: TOO_OLD });
}
