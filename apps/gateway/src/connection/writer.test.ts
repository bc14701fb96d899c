import { beforeEach, expect, test } from '@jest/globals';
import { EndOfTurn } from '../time/end-of-turn.js';
import { Writer } from './writer.js';

/** A socket that takes what fits and no more. */
class Sink {
  readonly written: string[] = [];
  writableLength = 0;
  accepts = true;
  ended = false;

  write(text: string): boolean {
    this.written.push(text);
    if (!this.accepts) this.writableLength += Buffer.byteLength(text);
    return this.accepts;
  }

  end(text: string): void {
    this.written.push(text);
    this.ended = true;
  }
}

let sink: Sink;
let events: string[];
let writer: Writer;

beforeEach(() => {
  sink = new Sink();
  events = [];
  writer = new Writer(sink as never, 100, new EndOfTurn(), () => 7, {
    overflow: () => events.push('overflow'),
    blocked: () => events.push('blocked'),
    roomy: () => events.push('roomy'),
  });
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test('writes once what a turn of the event loop brought', async () => {
  writer.write('a');
  writer.write('b');
  expect(sink.written).toEqual([]);
  await turn();
  writer.write('c');
  await turn();
  expect(sink.written).toEqual(['ab', 'c']);
});

test('holds back while the socket is full and goes on when it has drained', async () => {
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

test('says when there is room again, also when the socket takes much at once and will never drain', async () => {
  writer.write('x'.repeat(25));
  await turn();
  expect(events).toEqual([]);
  writer.write('x'.repeat(26));
  expect(writer.isCrowded).toBe(true);
  await turn();
  expect([writer.isCrowded, events]).toEqual([false, ['roomy']]);
  sink.accepts = false;
  writer.write('x'.repeat(30));
  await turn();
  Object.assign(sink, { accepts: true, writableLength: 0 });
  writer.drained();
  expect(events).toEqual(['roomy', 'blocked', 'roomy']);
});

test('gathers bytes as it gathers text', async () => {
  writer.write(Buffer.from('a'));
  writer.write(Buffer.from('é'));
  writer.write('');
  expect(writer.backlog).toBe(3);
  writer.end('');
  expect([String(sink.written[0]), sink.ended]).toEqual(['aé', true]);
});

test('keeps no more than its limit, the socket’s own buffer included', async () => {
  sink.accepts = false;
  writer.write('x'.repeat(60));
  await turn();
  writer.write('x'.repeat(40));
  expect([writer.backlog, events]).toEqual([100, ['blocked']]);
  writer.write('é');
  expect([writer.backlog, events]).toEqual([60, ['blocked', 'overflow']]);
});

test('writes the last words after all others, and nothing after them', async () => {
  writer.write('a');
  writer.end('bye');
  writer.write('late');
  writer.end('again');
  await turn();
  expect([sink.written, sink.ended]).toEqual([['abye'], true]);
});
