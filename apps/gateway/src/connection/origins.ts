/**
 * Whether a page of this origin may open a WebSocket. Clients other than browsers send no `Origin` and are allowed;
 * they need a valid token like every client.
 * @param origin the `Origin` header, if there is one
 * @param host the `Host` header, as the client addresses this gateway
 * @param allowed allowed origins in lower case; `http://localhost:*` allows every port of that host and scheme. Empty:
 * only pages loaded from `host` itself
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: ReadonlySet<string>,
): boolean {
  if (origin === undefined) return true;
  if (allowed.size > 0) return allowed.has(origin.toLowerCase()) || allowed.has(anyPortOf(origin));
  // The default port depends on the scheme: `https://a` and the host `a:443` are equal.
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === hostOf(origin, host);
}

function anyPortOf(origin: string): string {
  if (!URL.canParse(origin)) return '';
  const { protocol, hostname } = new URL(origin);
  return `${protocol}//${hostname}:*`;
}

function hostOf(origin: string, host: string): string | undefined {
  const url = `${new URL(origin).protocol}//${host}`;
  return URL.canParse(url) ? new URL(url).host : undefined;
}
