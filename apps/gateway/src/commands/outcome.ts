import type { CloseName } from '@huizhi/protocol';
import type { Session } from '../sessions/session.js';

/** The result of a command, applied by the connection; commands do not write to sockets. */
export interface Outcome {
  /** Frames as JSON text, in order. */
  readonly frames?: readonly string[];
  /** Close the connection with this name after the frames. */
  readonly close?: CloseName;
  /** Set by a successful login: the new session of the connection. */
  readonly session?: Session;
}

/** Undefined for most commands, because their answer comes later from the bus. */
export type Result = Outcome | undefined | Promise<Outcome | undefined>;

export const frame = (text: string): Outcome => ({ frames: [text] });
