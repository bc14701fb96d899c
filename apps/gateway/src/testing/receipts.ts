import type { Frame } from './client.js';
import type { ModeClient } from './gateway-fixture.js';

/** Receipts each entry and each batch that the client receives, `delayMs` after its arrival. */
export function receiptEverything(client: ModeClient, delayMs = 0): void {
  let last = 0;
  client.onLine = (line): void => {
    const entries = ([line].flat() as Frame[]).filter(({ inboxSeq, content }) => inboxSeq !== undefined && content);
    const upTo = entries.reduce((most, { inboxSeq }) => Math.max(most, inboxSeq as number), 0);
    if (upTo <= last) return;
    last = upTo;
    const receipt = { messageType: 'receipt', upTo };
    if (delayMs === 0) client.send(receipt);
    else setTimeout(() => client.send(receipt), delayMs);
  };
}

/** Sends cumulative receipts repeatedly, even for entries that were not received. @returns a function that stops it */
export function receiptBlindly(client: ModeClient, upTo = 10_000): () => void {
  const timer = setInterval(() => client.send({ messageType: 'receipt', upTo }), 20);
  return () => clearInterval(timer);
}
