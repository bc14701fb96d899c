import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

export const FORWARDING_HEADERS = ['x-forwarded-for', 'forwarded'] as const;
export type ForwardingHeader = (typeof FORWARDING_HEADERS)[number];

/** Addresses of proxies whose statements about client addresses are trusted. */
export class TrustedProxies {
  private readonly networks = new BlockList();
  private readonly isEmpty: boolean;

  /**
   * @param cidrs valid ones, see {@link isCidr}
   * @param header the one header that the proxies set; a client may have set the other one
   */
  constructor(
    cidrs: readonly string[],
    private readonly header: ForwardingHeader,
  ) {
    this.isEmpty = cidrs.length === 0;
    for (const cidr of cidrs) {
      const [address = '', bits] = cidr.split('/');
      const family = isIPv4(address) ? 'ipv4' : 'ipv6';
      this.networks.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
    }
  }

  has(address: string): boolean {
    if (this.isEmpty) return false;
    const plain = withoutMapping(address);
    if (isIPv4(plain)) return this.networks.check(plain, 'ipv4');
    // A zone names an interface of this machine and is not part of the address.
    const [bare = ''] = plain.split('%');
    return isIPv6(bare) && this.networks.check(bare, 'ipv6');
  }

  /**
   * The address that a trusted proxy forwards for: the last one in the header that is not a trusted proxy's, or the
   * first if all are trusted. Each proxy appends its client, so an untrusted client controls everything before its own
   * address.
   * @returns undefined when the header is missing or has no valid address at its end
   */
  clientOf(headers: IncomingHttpHeaders): string | undefined {
    const value = headers[this.header];
    if (value === undefined) return undefined;
    const list = Array.isArray(value) ? value.join(',') : value;
    const nodes = this.header === 'forwarded' ? forwardedFor(list) : list.split(',');
    let client: string | undefined;
    for (const node of nodes.reverse()) {
      const address = addressOf(node.trim());
      if (address === undefined) return client;
      client = address;
      if (!this.has(address)) return client;
    }
    return client;
  }
}

/** Whether the text is an address, or a network such as `10.0.0.0/8`. */
export function isCidr(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0 || address.includes('%')) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** Converts an IPv4-mapped IPv6 address (`::ffff:192.0.2.7`) to IPv4. */
export const withoutMapping = (address: string): string =>
  /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;

/** Accepts `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7`, `[2001:db8::7]` and `[2001:db8::7]:80`. */
function addressOf(node: string): string | undefined {
  const bare = /^\[([^\]]+)\](:\d+)?$/.exec(node)?.[1] ?? /^([\d.]+):\d+$/.exec(node)?.[1] ?? node;
  return isIP(bare) === 0 ? undefined : withoutMapping(bare);
}

/** The `for` value of each element of a `Forwarded` header (RFC 7239); empty for an element without one. */
function forwardedFor(header: string): string[] {
  const elements = header.match(/(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g) ?? [];
  return elements.map((element) => {
    const pairs = element.match(/(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g) ?? [];
    const pair = pairs.map((one) => one.trim()).find((one) => /^for=/i.test(one));
    const value = pair?.slice('for='.length) ?? '';
    return /^"(.*)"$/.exec(value)?.[1]?.replace(/\\(.)/g, '$1') ?? value;
  });
}
