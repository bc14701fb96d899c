import { expect, jest, test } from '@jest/globals';
import { eventually, TcpProxy } from '@huizhi/dev-env';
import { TestClient } from './testing/client.js';
import { receiptEverything } from './testing/receipts.js';
import { GatewayFixture } from './testing/gateway-fixture.js';

jest.setTimeout(300_000);

const fixture = GatewayFixture.forEachTest({ HZ_HEARTBEAT_MIN: '10m' });

/** Timeout of a reader, for a machine that is several times slower. */
const READ_WITHIN_MS = 240_000;
/** Maximum ratio of the received bytes to the bytes of the entries. */
const MOST_BYTES = 1.1;

interface Reader {
  readonly name: string;
  readonly bytesPerSecond: number;
  readonly entries: number;
  readonly bytes: number;
  readonly version?: number;
  /** Ms by which the device delays a receipt. */
  readonly delayMs?: number;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);

/** Lets one device read all its entries over a throttled link. @returns what was delivered, and the bytes received */
async function read(reader: Reader): Promise<{ delivered: number[]; bytes: number; closes: unknown[] }> {
  const user = reader.name.replaceAll(' ', '-');
  for (let n = 1; n <= reader.entries; n++) fixture.offline.put(user, 'x'.repeat(reader.bytes));
  const proxy = await TcpProxy.start({ target: { host: '127.0.0.1', port: fixture.gateway.port } });
  try {
    const client = fixture.owns(await TestClient.connect(proxy.port));
    await eventually('the link', () => proxy.connections === 1);
    proxy.throttle(reader.bytesPerSecond);
    receiptEverything(client, reader.delayMs);
    await fixture.loginOn(client, user, { versionCode: reader.version ?? 2 });
    await client.frame({ messageType: 'receiptConfirm', inboxSeq: reader.entries }, READ_WITHIN_MS);
    return {
      delivered: client.delivered,
      bytes: client.socket.bytesRead,
      closes: fixture.log.closesOf(user),
    };
  } finally {
    await proxy.stop();
  }
}

test('the gateway delivers each entry once when the link carries 8 KB/s or more, for both versions and late receipts', async () => {
  const long = { entries: 20, bytes: 50_000 };
  const readers: Reader[] = [
    { name: 'at 16 KB', bytesPerSecond: 16_000, ...long },
    { name: 'at 48 KB', bytesPerSecond: 48_000, ...long },
    { name: 'version 1 at 48 KB', bytesPerSecond: 48_000, ...long, version: 1 },
    { name: 'late at 48 KB', bytesPerSecond: 48_000, ...long, delayMs: 5_000 },
    { name: 'late at 8 KB', bytesPerSecond: 8_000, entries: 5, bytes: 60_000, delayMs: 5_000 },
    { name: 'small at 8 KB', bytesPerSecond: 8_000, entries: 1_000, bytes: 200 },
  ];
  const results = await Promise.all(readers.map(async (reader) => ({ ...reader, ...(await read(reader)) })));
  for (const { name, entries, delivered, bytes, bytes: sent, closes } of results) {
    expect({ name, delivered, closes }).toEqual({ name, delivered: range(entries), closes: [] });
    const reader = readers.find((one) => one.name === name) as Reader;
    const payload = range(entries).reduce((sum, n) => sum + fixture.offline.bytesOf(name.replaceAll(' ', '-'), n), 0);
    expect({ name, ratio: sent / payload <= MOST_BYTES, bytes, reader }).toMatchObject({ ratio: true });
  }
});
