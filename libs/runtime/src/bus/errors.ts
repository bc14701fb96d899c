/** The payload is larger than 1 MiB, the limit of the bus. The caller must split it. */
export class BusPayloadTooLargeError extends Error {
  override readonly name = 'BusPayloadTooLargeError';
  readonly code = 'bus_payload_too_large';

  constructor(subject: string, bytes: number, limit: number) {
    super(`${bytes} bytes for ${subject}: the bus carries at most ${limit}; split the payload`);
  }
}

/**
 * A request without a reply. Except for `overloaded` and `disconnected`, it is unknown whether the request was carried
 * out.
 */
export abstract class BusRequestError extends Error {
  abstract readonly code: 'bus_timeout' | 'bus_no_responders' | 'bus_disconnected' | 'bus_overloaded';
}

/** No reply in time: the request or its reply may be lost, or the responder is slow. */
export class BusTimeoutError extends BusRequestError {
  override readonly name = 'BusTimeoutError';
  readonly code = 'bus_timeout';
}

/** The server reports that the subject has no subscriber. Not reliable: a wildcard subscriber hides it. */
export class BusNoRespondersError extends BusRequestError {
  override readonly name = 'BusNoRespondersError';
  readonly code = 'bus_no_responders';
}

/** The bus was disconnected when the request was made, so it was not sent. */
export class BusDisconnectedError extends BusRequestError {
  override readonly name = 'BusDisconnectedError';
  readonly code = 'bus_disconnected';
}

/** Too many requests are in flight, so this one was not sent. */
export class BusOverloadedError extends BusRequestError {
  override readonly name = 'BusOverloadedError';
  readonly code = 'bus_overloaded';
}
