import { ProtocolError, type ControlFailure, type ErrorName } from '@huizhi/protocol';

/**
 * A control-plane request failed. `code` is `timeout` (unknown whether the command was carried out), `unavailable` (no
 * ready instance, no bus, or a temporary failure of the responder), or an error name of the protocol.
 */
export class ControlError extends Error {
  override readonly name = 'ControlError';

  constructor(
    readonly code: ErrorName | 'timeout' | (string & {}),
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * The wire form of an error that a handler throws; the only conversion of control-plane errors. A ProtocolError keeps
 * its name. Any other error becomes `unavailable` without its text, which stays inside the process.
 */
export function failureOf(thrown: unknown): ControlFailure {
  if (thrown instanceof ProtocolError) return { code: thrown.error, message: thrown.message };
  return { code: 'unavailable', message: 'the command failed temporarily' };
}
