/** How frames travel: JSON lines, binary frames, or text messages of a WebSocket. */
export type Mode = 'lines' | 'frames' | 'websocket';

/** Where the server is, and how to speak with it. */
export interface Address {
  host: string;
  port: number;
  /** Default: `lines` in Node; a browser has `websocket` only. */
  mode?: Mode;
  /** Default true. */
  tls?: boolean;
  /** Of a WebSocket behind something that serves more than it. Default `/`. */
  path?: string;
  /** PEM of what to trust instead of the system's own authorities. Not in a browser, which decides that itself. */
  ca?: string;
  /** Default true; false trusts any certificate and is for experiments only. Not in a browser. */
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
 * An address from its URL, whose scheme names the mode: `tls://host:port` lines, `tls+hz://host:port` binary frames,
 * `wss://host[:port][/path]` WebSocket; `tcp`, `tcp+hz` and `ws` are the same without TLS.
 * @throws TypeError when it is none of these
 */
export function addressOf(url: string): Address {
  const { protocol, hostname, port, pathname, search } = parsed(url);
  const scheme = schemes[protocol];
  if (!scheme) throw new TypeError(`${protocol}// is no scheme of an address: take tls, tls+hz or wss`);
  const number = port === '' ? scheme.port : Number(port);
  if (hostname === '' || number === undefined || number === 0) {
    throw new TypeError(`the address is not whole: give ${protocol}//host:port`);
  }
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const address: Address = { host, port: number, mode: scheme.mode, tls: scheme.tls };
  return scheme.mode === 'websocket' ? { ...address, path: pathname + search } : address;
}

/** `host:port`, for people and URLs. */
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
    // Without the text: somebody may have put a password into it.
    throw new TypeError('the address is no URL: give scheme://host:port');
  }
}
