/** Encoding of frames: JSON lines, binary frames, or text messages of a WebSocket. */
export type Mode = 'lines' | 'frames' | 'websocket';

/** Address of the server and the mode of the connection. */
export interface Address {
  host: string;
  port: number;
  /** Default: `lines` in Node; browsers support `websocket` only. */
  mode?: Mode;
  /** Default true. */
  tls?: boolean;
  /** Path of the WebSocket, if the host also serves other paths. Default `/`. */
  path?: string;
  /** PEM of the certificate authorities to trust instead of the system's. Not in browsers, which use their own. */
  ca?: string;
  /** Default true; false accepts any certificate and is for experiments only. Not in browsers. */
  rejectUnauthorized?: boolean;
}

const schemes: Record<string, { mode: Mode; tls: boolean; port?: number }> = {
  'tls:': { mode: 'lines', tls: true },
  'tcp:': { mode: 'lines', tls: false },
  'tls+hz:': { mode: 'frames', tls: true },
  'tcp+hz:': { mode: 'frames', tls: false },
  'wss:': { mode: 'websocket', tls: true, port: 443 },
  'ws:': { mode: 'websocket', tls: false, port: 80 },
};

/**
 * Parses the URL of an address, whose scheme names the mode: `tls://host:port` JSON lines, `tls+hz://host:port` binary
 * frames, `wss://host[:port][/path]` WebSocket; `tcp`, `tcp+hz` and `ws` are the same without TLS.
 * @throws TypeError when the URL is none of these
 */
export function addressOf(url: string): Address {
  const { protocol, hostname, port, pathname, search } = parsed(url);
  const scheme = schemes[protocol];
  if (!scheme) throw new TypeError(`the address has the unknown scheme ${protocol}// (use tls, tls+hz or wss)`);
  const number = port === '' ? scheme.port : Number(port);
  if (hostname === '' || number === undefined || number === 0) {
    throw new TypeError(`the address is incomplete: use ${protocol}//host:port`);
  }
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const address: Address = { host, port: number, mode: scheme.mode, tls: scheme.tls };
  return scheme.mode === 'websocket' ? { ...address, path: pathname + search } : address;
}

/** `host:port`, for messages and URLs. */
export const serverOf = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** The URL of a WebSocket address. */
export function webSocketUrl(address: Address): string {
  const { tls, path = '/' } = address;
  return `${tls === false ? 'ws' : 'wss'}://${serverOf(address)}${path}`;
}

function parsed(url: string): URL {
  try {
    return new URL(url);
  } catch {
    // The message omits the text, because it may contain a password.
    throw new TypeError('the address is no URL: use scheme://host:port');
  }
}
