import { messageIdOf } from './ids.js';

/** Place of a stored message: the fields that the server adds to the sender's part of a delivery. */
export interface Placing {
  lane: number;
  position: number;
  /** Conversation id, made by the server; it needs no JSON escaping. */
  conversation: string;
  seq: number;
  /** Milliseconds since 1970, never decreasing within a conversation. */
  serverTime: number;
}

/**
 * JSON text of a delivery. The text is spliced, not encoded again: the gateway encodes a body once, and it is stored
 * and relayed as that text.
 * @param body JSON text of an object that is not empty
 */
export function deliveryText(at: Placing, body: string): string {
  return (
    `{"messageID":"${messageIdOf(at.lane, at.position)}","conversationID":"${at.conversation}","seq":${at.seq},` +
    `"serverTime":"${at.serverTime}",${body.slice(1)}`
  );
}

/** JSON text of the delivery of one inbox entry. `previous` is the previous `inboxSeq` that concerned this device. */
export function inboxText(delivery: string, inboxSeq: number, previous: number): string {
  const jump = previous === inboxSeq - 1 ? '' : `"prevInboxSeq":${previous},`;
  return `{"inboxSeq":${inboxSeq},${jump}${delivery.slice(1)}`;
}

const ID_START = '{"messageID":"'.length;

/** The `messageID` of a delivery's text, read without parsing: {@link deliveryText} writes it first. */
export const messageIdIn = (delivery: string): string => delivery.slice(ID_START, delivery.indexOf('"', ID_START));
