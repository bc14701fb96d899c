import { isIPv4, isIPv6, type Socket } from 'node:net';

/**
 * The header in which a TCP proxy sends the address of its client, versions 1 and 2 of
 * https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
 */
export interface ProxyHeader {
  /** Bytes of the header; the bytes after it belong to the client. */
  readonly length: number;
  /**
   * The client's address; undefined for a connection of the proxy itself (`LOCAL`) or an unknown address (`UNKNOWN`).
   */
  readonly address: string | undefined;
}

/** The bytes are not a PROXY protocol header. */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
}

const V1_START = Buffer.from('PROXY ');
/** Includes the CRLF. */
const V1_MAX_BYTES = 107;
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;
/** Limit for the addresses and TLVs. The protocol allows 65,535; proxies send a few hundred at most. */
const V2_MAX_REST = 4_096;
const V2_VERSION = 2;
const V2_LOCAL = 0;
const V2_PROXY = 1;
/** Address family, and bytes of its two addresses and two ports. */
const V2_INET = { family: 1, bytes: 12 };
const V2_INET6 = { family: 2, bytes: 36 };
const V2_UNIX_FAMILY = 3;
const CR = 0x0d;
const LF = 0x0a;

/**
 * Parses the header at the beginning of `bytes`.
 * @returns undefined when more bytes are needed, at most 4,112 in all
 * @throws ProxyHeaderError as soon as the bytes cannot become a header
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length === 0) return undefined;
  if (beginsLike(bytes, V1_START)) return bytes.length < V1_START.length ? undefined : parseV1(bytes);
  if (beginsLike(bytes, V2_START)) return bytes.length < V2_FIXED_BYTES ? checkedV2(bytes) : parseV2(bytes);
  throw new ProxyHeaderError('the connection does not begin with a PROXY header');
}

/**
 * Reads the header from the socket and passes it, or an error, to `done`; `done` is not called if the socket ends
 * first. The socket is then paused, and the bytes after the header remain readable.
 */
export function readProxyHeader(socket: Socket, done: (result: ProxyHeader | ProxyHeaderError) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  const read = (more: Buffer): void => {
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
    const result = resultOf(bytes);
    if (result === undefined) return;
    socket.off('data', read).pause();
    if (!(result instanceof ProxyHeaderError) && bytes.length > result.length) {
      socket.unshift(bytes.subarray(result.length));
    }
    done(result);
  };
  socket.on('data', read);
}

function resultOf(bytes: Buffer): ProxyHeader | ProxyHeaderError | undefined {
  try {
    return parseProxyHeader(bytes);
  } catch (error) {
    if (error instanceof ProxyHeaderError) return error;
    throw error;
  }
}

/** Whether one of `bytes` and `start` is a prefix of the other. */
function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf(CR);
  if (end === -1 || end + 1 === bytes.length) {
    if (bytes.length >= V1_MAX_BYTES) throw new ProxyHeaderError('a PROXY line of version 1 is too long');
    return undefined;
  }
  if (bytes[end + 1] !== LF) throw new ProxyHeaderError('a PROXY line of version 1 does not end with CRLF');
  const [, family, source = '', destination = '', ...ports] = bytes.toString('latin1', 0, end).split(' ');
  const length = end + 2;
  // The specification says to ignore the rest of the line after UNKNOWN.
  if (family === 'UNKNOWN') return { length, address: undefined };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined;
  if (!isAddress?.(source) || !isAddress(destination) || ports.length !== 2 || !ports.every(isPort)) {
    throw new ProxyHeaderError('a PROXY line of version 1 has invalid addresses or ports');
  }
  return { length, address: source };
}

const isPort = (text: string): boolean => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;

/** Checks an incomplete fixed part, so that invalid headers are refused before all 16 bytes arrive. */
function checkedV2(bytes: Buffer): undefined {
  const [versionAndCommand] = bytes.subarray(V2_START.length);
  if (versionAndCommand === undefined) return undefined;
  if (versionAndCommand >> 4 !== V2_VERSION) throw new ProxyHeaderError('a PROXY header is of an unknown version');
  const command = versionAndCommand & 0x0f;
  if (command !== V2_LOCAL && command !== V2_PROXY) throw new ProxyHeaderError('a PROXY header has an unknown command');
  return undefined;
}

function parseV2(bytes: Buffer): ProxyHeader | undefined {
  checkedV2(bytes);
  const command = bytes.readUInt8(12) & 0x0f;
  const family = bytes.readUInt8(13) >> 4;
  const restBytes = bytes.readUInt16BE(14);
  if (family > V2_UNIX_FAMILY) throw new ProxyHeaderError('a PROXY header has an unknown address family');
  if (restBytes > V2_MAX_REST) throw new ProxyHeaderError(`a PROXY header is longer than ${V2_MAX_REST} bytes`);
  const inet = [V2_INET, V2_INET6].find((one) => one.family === family);
  const hasAddress = command === V2_PROXY && inet !== undefined;
  if (hasAddress && restBytes < inet.bytes) throw new ProxyHeaderError('a PROXY header is too short for its addresses');
  const length = V2_FIXED_BYTES + restBytes;
  if (bytes.length < length) return undefined;
  if (!hasAddress) return { length, address: undefined };
  const source = bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + (inet === V2_INET ? 4 : 16));
  return { length, address: inet === V2_INET ? source.join('.') : ipv6Of(source) };
}

function ipv6Of(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at));
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? bytes.subarray(12).join('.') : groups.map((group) => group.toString(16)).join(':');
}
