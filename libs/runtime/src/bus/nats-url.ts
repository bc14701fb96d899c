import { inboxOf } from '@huizhi/protocol';

export interface NatsServers {
  /** `host:port`, with the scheme where it means TLS. */
  servers: string[];
  user?: string;
  pass?: string;
  /** Where its answers come: below the name of the user, which may be the only one to listen there. */
  inboxPrefix: string;
}

/**
 * NATS_URL as the client wants it: it does not read credentials out of a URL, so they are handed over beside it. Several
 * servers are one cluster and share the first one's credentials.
 */
export function natsServers(url: string): NatsServers {
  const urls = url.split(',').map((one) => new URL(one));
  const servers = urls.map((one) => `${one.protocol}//${one.host}`);
  const { username, password } = urls[0] ?? { username: '', password: '' };
  const user = decodeURIComponent(username);
  const inboxPrefix = inboxOf(user);
  if (!user) return { servers, inboxPrefix };
  return { servers, user, pass: decodeURIComponent(password), inboxPrefix };
}
