import { canonicalJson } from '@huizhi/protocol/client';

/**
 * A 53-bit hash of a content, the same on every device: keys are sorted, so the JSON representation of a server does
 * not matter. It detects corruption and mixed-up messages in tests; it does not resist attackers.
 */
export function contentDigest(kind: string, content: unknown): string {
  const text = `${kind} ${canonicalJson(content)}`;
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}

/** Digest of a frame to send; empty for a createGroup, which has no content. */
export function frameDigest({ contenType, content }: { contenType?: unknown; content?: unknown }): string {
  return content === undefined ? '' : contentDigest(String(contenType), content);
}
