import { messageIdOf } from './ids.js';

/** Where a stored message stands; what the server adds to the sender's part of a delivery. */
export interface Placing {
  lane: number;
  position: number;
  /** Made by the server of characters that JSON need not escape. */
  conversation: string;
  seq: number;
  /** Milliseconds since 1970, never decreasing within a conversation. */
  serverTime: number;
}

/**
 * A delivery's JSON text, spliced instead of encoded again: a body is encoded once, in the gateway that read it, and is
 * stored and relayed as that text.
 * @param body JSON text of an object that is not empty
 */
export function deliveryText(at: Placing, body: string): string {
  return (
    `{"messageID":"${messageIdOf(at.lane, at.position)}","conversationID":"${at.conversation}","seq":${at.seq},` +
    `"serverTime":"${at.serverTime}",${body.slice(1)}`
  );
}

/** The delivery of one inbox entry. `previous` is the entry before it that concerned this device. */
export function inboxText(delivery: string, inboxSeq: number, previous: number): string {
  const jump = previous === inboxSeq - 1 ? '' : `"prevInboxSeq":${previous},`;
  return `{"inboxSeq":${inboxSeq},${jump}${delivery.slice(1)}`;
}

const ID_START = '{"messageID":"'.length;

/** The `messageID` of a delivery's text, read without parsing: the splice above puts it first. */
export const messageIdIn = (delivery: string): string => delivery.slice(ID_START, delivery.indexOf('"', ID_START));
