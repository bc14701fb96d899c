import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

// Below the kernel's range for outgoing connections (32768 and up on Linux). So no outgoing connection takes the port
// between the check and the child's bind, or while the child is dead.
const FIRST = 20_000;
const LAST = 32_000;

/**
 * The ports that this process has reserved. Services are killed and restarted while others look for ports, so a port
 * without a listener may be taken. A UDP socket on the same number marks the reservation: the kernel gives it to one
 * process and frees it when that process ends.
 */
const reserved = new Map<number, Socket>();

/**
 * A port on 127.0.0.1 that has no listener, reserved until this process ends. Neither this process nor another that
 * uses this function gets the port again. `preferred` is used when it is free, also a second time. Throws after 200
 * tries.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await take(preferred))) return preferred;
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(FIRST, LAST);
    if (!reserved.has(port) && (await take(port))) return port;
  }
  throw new Error(`found no free port between ${FIRST} and ${LAST} on 127.0.0.1`);
}

async function take(port: number): Promise<boolean> {
  if (reserved.has(port)) return isFree(port);
  const mark = await reserve(port);
  if (!mark) return false;
  // A process that does not use this function may listen there.
  if (!(await isFree(port))) {
    mark.close();
    return false;
  }
  reserved.set(port, mark);
  return true;
}

function reserve(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const mark = createSocket('udp4');
    mark.once('error', () => {
      mark.close();
      resolve(undefined);
    });
    mark.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      // The socket reserves the port but must not keep the process alive.
      mark.unref();
      resolve(mark);
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
