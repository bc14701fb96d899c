import { beforeEach, describe, expect, test } from '@jest/globals';
import { decodeLines, MAX_BUS_BYTES, type GatewayBatch } from '@huizhi/protocol';
import fc from 'fast-check';
import { GatewayPublisher } from './gateway-publisher.js';

interface Published {
  gateway: string;
  head: GatewayBatch;
  bodies: string[];
  bytes: number;
}
const line = (body: string): { body: string; bytes: number } => ({ body, bytes: Buffer.byteLength(body) });

describe('the gateway publisher', () => {
  let published: Published[];
  let gatewayPublisher: GatewayPublisher;
  beforeEach(() => {
    published = [];
    gatewayPublisher = new GatewayPublisher('offline-1', (gateway, payload) => {
      const bytes = Buffer.from(payload);
      published.push({ gateway, bytes: bytes.length, ...decodeLines<GatewayBatch>(bytes) });
    });
  });

  test('sends one message per gateway at a flush, with each body once', () => {
    const hello = line('{"text":"hello"}');
    gatewayPublisher.deliver('g', 1, 7, hello);
    gatewayPublisher.deliver('g', 2, 9, hello);
    gatewayPublisher.deliver('g', 3, 4, undefined);
    gatewayPublisher.confirm('g', 1, 6);
    gatewayPublisher.kick('g', 5);
    gatewayPublisher.attached('g', 6, 1, 2);
    gatewayPublisher.flush();
    expect(published).toHaveLength(1);
    expect(published[0]?.bodies).toEqual([hello.body]);
    expect(published[0]?.head).toEqual({
      from: 'offline-1',
      n: 1,
      deliver: [
        [1, 7, 0],
        [2, 9, 0],
        [3, 4, -1],
      ],
      confirm: [[1, 6]],
      kick: [5],
      attached: [[6, 1, 2]],
    });
  });

  test('numbers the messages per gateway, and repeats the last number in ticks for a minute', () => {
    gatewayPublisher.confirm('a', 1, 1);
    gatewayPublisher.flush(1_000);
    gatewayPublisher.confirm('a', 1, 2);
    gatewayPublisher.confirm('b', 1, 1);
    gatewayPublisher.flush(2_000);
    gatewayPublisher.tick(3_000);
    expect(published.map(({ gateway, head }) => [gateway, head.n, head.tick])).toEqual([
      ['a', 1, undefined],
      ['a', 2, undefined],
      ['b', 1, undefined],
      ['a', 2, true],
      ['b', 1, true],
    ]);
    gatewayPublisher.tick(90_000);
    expect(published).toHaveLength(5);
  });

  test('splits messages at the bus limit, loses nothing, keeps the order and leaves no number out', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 66_000 })), { maxLength: 80 }),
        (sends) => {
          published.length = 0;
          const fresh = new GatewayPublisher('o', (gateway, payload) => {
            const bytes = Buffer.from(payload);
            published.push({ gateway, bytes: bytes.length, ...decodeLines<GatewayBatch>(bytes) });
          });
          const bodies = [line('"x"'), ...sends.map(([, size]) => line(JSON.stringify('é'.repeat(size / 2))))];
          sends.forEach(([which], i) =>
            fresh.deliver('g', 1, i, which === 0 ? undefined : bodies[which === 1 ? 0 : i]),
          );
          fresh.flush();
          expect(published.map(({ head }) => head.n)).toEqual(published.map((_, i) => i + 1));
          for (const { bytes } of published) expect(bytes).toBeLessThanOrEqual(MAX_BUS_BYTES + 70_000);
          const told = published.flatMap(({ head, bodies: lines }) =>
            (head.deliver ?? []).map(([, seq, at]) => [seq, lines[at]]),
          );
          expect(told).toEqual(
            sends.map(([which], i) => [i, which === 0 ? undefined : bodies[which === 1 ? 0 : i]?.body]),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
