/**
 * Bus payload with bodies: the first line is a JSON head, each further line is one body, itself JSON text. A service
 * that only relays bodies parses the head and never the bodies.
 */
export const encodeLines = (head: object, bodies: readonly string[]): string =>
  bodies.length === 0 ? JSON.stringify(head) : `${JSON.stringify(head)}\n${bodies.join('\n')}`;

export interface Lines<T> {
  head: T;
  bodies: string[];
}

const utf8 = new TextDecoder();

/**
 * The inverse of {@link encodeLines}.
 * @throws SyntaxError when the head is not JSON; only Huizhi's own services publish on the bus
 */
export function decodeLines<T>(payload: Uint8Array): Lines<T> {
  const [head = '', ...bodies] = utf8.decode(payload).split('\n');
  return { head: JSON.parse(head) as T, bodies };
}

/** Maximum size of one bus message in bytes; NATS refuses messages above 1 MiB. */
export const MAX_BUS_BYTES = 512 * 1024;
