import type { CloseName } from '@huizhi/protocol';
import type { Session } from '../sessions/session.js';

/** What a command leads to. The connection carries it out; no command touches a socket. */
export interface Outcome {
  /** Frames as JSON text, in order. */
  readonly frames?: readonly string[];
  /** After the frames the connection is closed. */
  readonly close?: CloseName;
  /** The login has succeeded: the session this connection has from now on. */
  readonly session?: Session;
}

/** Nothing for most: their answer comes later, from the bus. */
export type Result = Outcome | undefined | Promise<Outcome | undefined>;

export const frame = (text: string): Outcome => ({ frames: [text] });
