import { ProtocolError, type ControlFailure, type ErrorName } from '@huizhi/protocol';

/**
 * A control-plane request failed.
 * `code`: `timeout` (unknown whether the command was carried out), `unavailable` (no ready instance, no bus, or a temporary
 * failure of the instance that answered), or another error name of the protocol that the handler chose.
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
 * What a caller receives when a handler throws: the only place where control-plane errors become wire data.
 * A ProtocolError keeps its name; every other error is `unavailable`, and its own text stays inside the process.
 */
export function failureOf(thrown: unknown): ControlFailure {
  if (thrown instanceof ProtocolError) return { code: thrown.error, message: thrown.message };
  return { code: 'unavailable', message: 'the command could not be carried out just now' };
}
