import type { TcpProxy } from './tcp-proxy.js';

/** The address at which this machine reaches a gateway that listens on `host`. Wildcard addresses become 127.0.0.1. */
export function reachable(host: string | undefined): string {
  return host === undefined || ['', '0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
}

export function addressIn(href: string, defaultPort: number): { host: string; port: number } {
  const url = new URL(href);
  return { host: url.hostname, port: Number(url.port || defaultPort) };
}

/** The same URL with the host and port of the proxy. Without a proxy the URL is unchanged. */
export function redirected(href: string, proxy: TcpProxy | undefined): string {
  if (!proxy) return href;
  const url = new URL(href);
  url.hostname = proxy.host;
  url.port = String(proxy.port);
  return url.href;
}
