import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { hostileConnection } from './hostile-connection.js';
import { Random } from './random.js';

test.each([
  ['at once', 0, 60_000, 'never connected'],
  ['at the TLS deadline', 100, 50, 'too slow for TLS'],
])(
  'hostileConnection() reports the right fate when the server ends the connection %s',
  async (_, endsAfterMs, tlsMs, fate) => {
    const server = createServer((socket) => void setTimeout(() => socket.destroy(), endsAfterMs)).listen(
      0,
      '127.0.0.1',
    );
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const nothing = new Uint8Array(0);
    expect(
      await hostileConnection({
        address: { host: '127.0.0.1', port, ca: '' },
        login: undefined,
        input: nothing,
        beat: { bytes: nothing, answer: '' },
        random: new Random(1),
        tlsMs,
        boundMs: 1_000,
      }),
    ).toBe(fate);
    server.close();
  },
);
