import type { Send } from '@huizhi/protocol';
import type { Echo } from '../frames.js';

/** A client's send on its way: what goes on the bus and what its receipt will say. */
export interface PendingSend {
  readonly lane: number;
  readonly send: Send;
  /** The sender's part of the delivery, JSON text. */
  readonly body: string;
  readonly echo: Echo;
  /** The most bytes it takes on the bus. */
  readonly bytes: number;
  /** When it was queued, which is when the gateway took it from its client. */
  offeredAt: number;
}

/** Ids, hashes, field names and punctuation of one send in the head of a bus message. */
const HEAD_BYTES = 512;
const MEMBER_BYTES = 68;

export function pendingSend(lane: number, send: Send, body: string, echo: Echo): PendingSend {
  const bytes = Buffer.byteLength(body) + HEAD_BYTES + (send.members?.length ?? 0) * MEMBER_BYTES;
  return { lane, send, body, echo, bytes, offeredAt: 0 };
}
