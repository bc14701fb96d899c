/**
 * Whether a page of this origin may open a WebSocket. Programs that are no browser send no `Origin` and are let in; they need a token like
 * everybody.
 * @param origin the header, if there is one
 * @param host the `Host` header: as the client calls this gateway
 * @param allowed origins that are let in, in lower case; `http://localhost:*` means every port of that host by that scheme. Empty:
 * only pages that were loaded from `host` itself
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: ReadonlySet<string>,
): boolean {
  if (origin === undefined) return true;
  if (allowed.size > 0) return allowed.has(origin.toLowerCase()) || allowed.has(anyPortOf(origin));
  // The port goes by the scheme: `https://a` and the host `a:443` are the same place.
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
