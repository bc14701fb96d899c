import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

// Below the kernel's range for outgoing connections (32768 and up on Linux): no connection takes a port between our
// looking at it and the child's binding it, nor while the child is dead.
const FIRST = 20_000;
const LAST = 32_000;

/**
 * What this process has reserved. A service is started and killed while others look for ports, so nobody listening is no sign
 * that a port is free. The sign is the UDP port of the same number, which nobody here uses otherwise: the kernel gives it to one
 * process only, and takes it back however that process ends.
 */
const reserved = new Map<number, Socket>();

/**
 * A port on 127.0.0.1 nobody listens on, reserved until this process ends: never given twice, by this process or by any other that
 * asks here. `preferred` is taken when it is free, also a second time. Throws after 200 tries.
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
  // Somebody may be there who never asked.
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
      // It keeps the port, not the process.
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
