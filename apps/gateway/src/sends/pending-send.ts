import { idBytes, type Send } from '@huizhi/protocol';
import type { Echo } from '../frames.js';

/** A client's send until its receipt: the bus payload and the fields to echo in the receipt. */
export interface PendingSend {
  readonly lane: number;
  readonly send: Send;
  /** The sender's part of the delivery as JSON text. */
  readonly body: string;
  readonly echo: Echo;
  /** Maximum bytes of the send on the bus. */
  readonly bytes: number;
  /** When the gateway queued the send, ms. */
  offeredAt: number;
}

/** Bytes of client id, hash, field names and punctuation of one send in the head of a bus message. */
const HEAD_BYTES = 256;
/** Quotes and a comma. */
const MEMBER_BYTES = 3;

export function pendingSend(lane: number, send: Send, body: string, echo: Echo): PendingSend {
  let bytes = Buffer.byteLength(body) + HEAD_BYTES + idBytes(send.conversation);
  if (send.to !== undefined) bytes += idBytes(send.to);
  if (send.group !== undefined) bytes += idBytes(send.group);
  if (send.members) for (const member of send.members) bytes += idBytes(member) + MEMBER_BYTES;
  return { lane, send, body, echo, bytes, offeredAt: 0 };
}
