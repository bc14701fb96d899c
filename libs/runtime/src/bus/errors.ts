/** The payload is beyond what the bus carries (1 MiB): split it before. A mistake of the caller, not of the network. */
export class BusPayloadTooLargeError extends Error {
  override readonly name = 'BusPayloadTooLargeError';
  readonly code = 'bus_payload_too_large';

  constructor(subject: string, bytes: number, limit: number) {
    super(`${bytes} bytes for ${subject}: the bus carries at most ${limit}; split the payload`);
  }
}

/** A request has no answer. All but `overloaded` leave open whether it was carried out. */
export abstract class BusRequestError extends Error {
  abstract readonly code: 'bus_timeout' | 'bus_no_responders' | 'bus_disconnected' | 'bus_overloaded';
}

/** Nobody answered in time: the request or its answer may be lost, or the other side is slow. */
export class BusTimeoutError extends BusRequestError {
  override readonly name = 'BusTimeoutError';
  readonly code = 'bus_timeout';
}

/** The server says that nobody listens to the subject right now. Only a hint: it is silent when anybody listens to everything. */
export class BusNoRespondersError extends BusRequestError {
  override readonly name = 'BusNoRespondersError';
  readonly code = 'bus_no_responders';
}

/** There was no connection when the request was made: it was not sent. */
export class BusDisconnectedError extends BusRequestError {
  override readonly name = 'BusDisconnectedError';
  readonly code = 'bus_disconnected';
}

/** Too many requests wait for their answers: this one was not sent. */
export class BusOverloadedError extends BusRequestError {
  override readonly name = 'BusOverloadedError';
  readonly code = 'bus_overloaded';
}
