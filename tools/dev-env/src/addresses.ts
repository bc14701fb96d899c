import type { TcpProxy } from './tcp-proxy.js';

/** Where a gateway that listens on this address is found from this machine. */
export function reachable(host: string | undefined): string {
  return host === undefined || ['', '0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
}

export function addressIn(href: string, defaultPort: number): { host: string; port: number } {
  const url = new URL(href);
  return { host: url.hostname, port: Number(url.port || defaultPort) };
}

/** The same URL with the address of the proxy, if there is one. */
export function redirected(href: string, proxy: TcpProxy | undefined): string {
  if (!proxy) return href;
  const url = new URL(href);
  url.hostname = proxy.host;
  url.port = String(proxy.port);
  return url.href;
}
