import { beforeEach, expect, test } from '@jest/globals';
import { FlushScheduler } from '../timing/flush-scheduler.js';
import { Writer } from './writer.js';

/** A socket whose back-pressure the test controls. */
class Sink {
  readonly written: string[] = [];
  writableLength = 0;
  accepts = true;
  ended = false;

  write(part: string | Buffer): boolean {
    const text = String(part);
    this.written.push(text);
    if (!this.accepts) this.writableLength += Buffer.byteLength(text);
    return this.accepts;
  }

  end(part: string | Buffer): void {
    this.written.push(String(part));
    this.ended = true;
  }
}

let sink: Sink;
let events: string[];
let writer: Writer;

const writerWithin = (limit: number): Writer =>
  new Writer(sink as never, limit, new FlushScheduler(), () => 7, {
    overflow: () => events.push('overflow'),
    blocked: () => events.push('blocked'),
    onDrained: () => events.push('roomy'),
  });

beforeEach(() => {
  sink = new Sink();
  events = [];
  writer = writerWithin(100);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test('the writer writes once per event-loop turn', async () => {
  writer.write('a');
  writer.write('b');
  expect(sink.written).toEqual([]);
  await turn();
  writer.write('c');
  await turn();
  expect(sink.written).toEqual(['ab', 'c']);
});

test('the writer holds output back while the socket is blocked and continues when it has drained', async () => {
  sink.accepts = false;
  writer.write('a');
  await turn();
  expect([events, writer.blockedAt]).toEqual([['blocked'], 7]);
  writer.write('b');
  await turn();
  expect(sink.written).toEqual(['a']);
  Object.assign(sink, { accepts: true, writableLength: 0 });
  writer.drained();
  expect([sink.written, writer.blockedAt]).toEqual([['a', 'b'], 0]);
});

test('the writer reports onDrained also when the socket accepts all bytes at once', async () => {
  writer.write('x'.repeat(25));
  await turn();
  expect(events).toEqual([]);
  writer.write('x'.repeat(26));
  expect(writer.isBackpressured).toBe(true);
  await turn();
  expect([writer.isBackpressured, events]).toEqual([false, ['roomy']]);
  sink.accepts = false;
  writer.write('x'.repeat(30));
  await turn();
  Object.assign(sink, { accepts: true, writableLength: 0 });
  writer.drained();
  expect(events).toEqual(['roomy', 'blocked', 'roomy']);
});

test('the writer joins bytes like text', async () => {
  writer.write(Buffer.from('a'));
  writer.write(Buffer.from('é'));
  writer.write('');
  expect(writer.bufferedBytes).toBe(3);
  writer.end('');
  expect([String(sink.written[0]), sink.ended]).toEqual(['aé', true]);
});

test('the writer buffers at most its limit, including the socket’s own buffer', async () => {
  sink.accepts = false;
  writer.write('x'.repeat(60));
  await turn();
  writer.write('x'.repeat(40));
  expect([writer.bufferedBytes, events]).toEqual([100, ['blocked']]);
  writer.write('é');
  expect([writer.bufferedBytes, events]).toEqual([60, ['blocked', 'overflow']]);
});

test('the writer writes 64 KiB at a time, so that a slow client shows progress', async () => {
  writer = writerWithin(1024 * 1024);
  sink.accepts = false;
  const frame = `${'é'.repeat(50_000)}\n`;
  writer.write(frame);
  writer.write(Buffer.from('b'));
  await turn();
  expect([sink.written.length, writer.bufferedBytes, writer.blockedAt]).toEqual([1, 100_002, 7]);
  sink.writableLength = 0;
  writer.drained();
  expect([sink.written.length, writer.bufferedBytes]).toEqual([2, 100_002 - 65_536]);
  Object.assign(sink, { accepts: true, writableLength: 0 });
  writer.write('c');
  writer.drained();
  expect([writer.bufferedBytes, writer.blockedAt]).toEqual([0, 0]);
});

test('the writer completes a partial frame before the last frame when the buffer has overflowed', async () => {
  writer = writerWithin(200_000);
  sink.accepts = false;
  const frame = `${'x'.repeat(100_000)}\n`;
  writer.write(frame);
  await turn();
  writer.write('y'.repeat(150_000));
  expect(events).toEqual(['blocked', 'overflow']);
  writer.end('bye');
  expect(sink.written.join('')).toBe(`${frame}bye`);
});

test('the writer writes the last frame after all others, and nothing after it', async () => {
  writer.write('a');
  writer.end('bye');
  writer.write('late');
  writer.end('again');
  await turn();
  expect([sink.written, sink.ended]).toEqual([['abye'], true]);
});
