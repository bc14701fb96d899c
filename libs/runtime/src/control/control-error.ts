/**
 * A request of the control plane failed.
 * `code`: `timeout` (unknown whether it was carried out), `unavailable` (nobody there, or no bus), `internal` (the other side broke),
 * or a code that the other side chose.
 */
export class ControlError extends Error {
  override readonly name = 'ControlError';

  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
