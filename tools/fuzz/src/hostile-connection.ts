import { connect, type TLSSocket } from 'node:tls';
import type { GatewayAddress } from '@huizhi/dev-env';
import type { Opening } from './openings.js';
import type { Random } from './random.js';

/** How a connection ended, or that it did not end. */
export type Fate =
  | ('closed by the server' | 'answered' | 'left' | 'too slow for TLS')
  // These two are findings.
  | ('neither ended nor answered' | 'never connected');

export interface Hostile extends Pick<Opening, 'login' | 'beat'> {
  readonly address: GatewayAddress;
  /** Bytes sent after the login, unchanged. */
  readonly input: Uint8Array;
  readonly random: Random;
  /** Deadline of the TLS handshake in milliseconds; a busy machine may miss it. */
  readonly tlsMs: number;
  /** Milliseconds within which the server must answer or close the connection. */
  readonly boundMs: number;
}

const WAIT_MS = 15;

/**
 * Runs one connection with hostile input in pieces, with pauses, and sometimes without reading. It then either leaves,
 * or waits until the server answers a heartbeat or closes the connection.
 */
export async function hostileConnection(hostile: Hostile): Promise<Fate> {
  const { address, login, input, beat, random, tlsMs, boundMs } = hostile;
  const begun = performance.now();
  const socket = await open(address);
  if (!socket) return performance.now() - begun < tlsMs ? 'never connected' : 'too slow for TLS';
  const leaves = random.oneIn(6);
  const stalls = random.oneIn(8);
  const closed = new Promise<Fate>((resolve) => socket.once('close', () => resolve('closed by the server')));
  const answered = new Promise<Fate>((resolve) => {
    let heard = '';
    socket.on('data', (bytes: Buffer) => {
      heard = `${heard.slice(-200)}${bytes.toString('latin1')}`;
      if (heard.includes(beat.answer)) resolve('answered');
    });
  });
  if (stalls) socket.pause();
  if (login) socket.write(login);
  for (const piece of pieces(input, random)) {
    if (socket.destroyed) break;
    socket.write(piece);
    if (random.oneIn(3)) await pause(random.below(WAIT_MS));
  }
  if (leaves) {
    if (random.oneIn(2)) socket.destroy();
    else socket.end();
    return 'left';
  }
  socket.write(beat.bytes);
  socket.resume();
  // A connection that does not read must be closed by the server; an answer does not suffice.
  const fate = await within(stalls ? closed : Promise.race([closed, answered]), boundMs);
  socket.destroy();
  return fate;
}

function open(address: GatewayAddress): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port, ca: address.ca, servername: 'localhost' });
    // Writing to a connection that the server has closed causes an error, which is ignored.
    socket.on('error', () => resolve(undefined)).once('secureConnect', () => resolve(socket));
  });
}

function* pieces(input: Uint8Array, random: Random): Iterable<Uint8Array> {
  const most = random.of([1 + input.length, 1 + input.length, 64, 7]);
  // Single bytes need one TLS record each, so only some inputs are sent that way.
  for (let at = 0; at < input.length;) {
    const length = 1 + random.below(most);
    yield input.subarray(at, at + length);
    at += length;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function within(fate: Promise<Fate>, boundMs: number): Promise<Fate> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Fate>((resolve) => {
    timer = setTimeout(resolve, boundMs, 'neither ended nor answered');
  });
  return Promise.race([fate, late]).finally(() => clearTimeout(timer));
}
