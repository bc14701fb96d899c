import { STATUS_CODES } from 'node:http';

/** HTTP status for each reason why a request does not become a WebSocket. */
export const httpRefusals = {
  malformed: 400,
  host: 400,
  handshake: 400,
  webSocketVersion: 400,
  origin: 403,
  path: 404,
  method: 405,
  slow: 408,
  expectation: 417,
  noUpgrade: 426,
  httpVersion: 426,
  address: 429,
  rate: 429,
  tooLarge: 431,
  draining: 503,
  http2: 505,
} as const satisfies Record<string, number>;

export type HttpRefusal = keyof typeof httpRefusals;

const UPGRADE = { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
const ALLOW = { Allow: 'GET, HEAD, OPTIONS' };
const HEADERS: Partial<Record<HttpRefusal, Record<string, string>>> = {
  noUpgrade: UPGRADE,
  httpVersion: UPGRADE,
  webSocketVersion: { 'Sec-WebSocket-Version': '13' },
  method: ALLOW,
  address: { 'Retry-After': '3' },
  rate: { 'Retry-After': '3' },
  draining: { 'Retry-After': '1' },
};

export interface HttpAnswer {
  readonly status: number;
  /** One sentence or word. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The request was `HEAD`: the headers describe the body, but the body is omitted. */
  readonly isHead?: boolean;
}

/** Encodes a complete answer that ends the connection. */
export function encodeAnswer({ status, text, headers = {}, isHead = false }: HttpAnswer): string {
  const body = text === '' ? '' : `${text}\n`;
  const lines = Object.entries({
    ...headers,
    // RFC 9110, section 7.8: a sender of `Upgrade` must name it in `Connection`.
    Connection: headers.Upgrade ? 'close, Upgrade' : 'close',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${isHead ? '' : body}`;
}

export const refusalAnswer = (refusal: HttpRefusal, text: string, isHead = false): string =>
  encodeAnswer({ status: httpRefusals[refusal], text, headers: HEADERS[refusal] ?? {}, isHead });

export const optionsAnswer = (): string => encodeAnswer({ status: 200, text: '', headers: ALLOW });
