import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Parser, type AsyncAPIDocumentInterface } from '@asyncapi/parser';
import { projectRoot } from '@huizhi/dev-env';
import { closeTable, downSchemas, errorTable, upSchemas } from '@huizhi/protocol';
import { beforeAll, expect, test } from '@jest/globals';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/** Checks docs/asyncapi.json as readers see it. `npm run docs -- --check` checks that it matches the schemas. */
const text = readFileSync(join(projectRoot(), 'docs/asyncapi.json'), 'utf8');
/** Diagnostics of this severity and below (0 is an error) are mistakes; above are hints. */
const WARNING = 1;

let document: AsyncAPIDocumentInterface;

beforeAll(async () => {
  const parsed = await new Parser().parse(text);
  expect(parsed.diagnostics.filter(({ severity }) => Number(severity) <= WARNING)).toEqual([]);
  if (!parsed.document) throw new Error('there is no document');
  document = parsed.document;
});

const messages = () => document.channels().get('connection')?.messages().all() ?? [];

test('asyncapi.json names every frame of the protocol', () => {
  const expected = [
    ...Object.keys(upSchemas).map((name) => `client.${name}`),
    ...Object.keys(downSchemas).map((name) => `server.${name}`),
    'server.batch',
  ];
  expect(
    messages()
      .map((message) => message.id())
      .sort(),
  ).toEqual(expected.sort());
});

test('every message in asyncapi.json has an operation that sends or receives it', () => {
  const used = document
    .operations()
    .all()
    .flatMap((operation) => [...operation.messages().all(), ...(operation.reply()?.messages().all() ?? [])]);
  expect([...new Set(used.map((message) => message.id()))].sort()).toEqual(
    messages()
      .map((message) => message.id())
      .sort(),
  );
});

test('asyncapi.json lists the answers to each command', () => {
  const answers = document
    .operations()
    .filterByReceive()
    .map((operation): [string | undefined, unknown] => [
      operation.id(),
      operation
        .reply()
        ?.messages()
        .all()
        .map((message) => message.id()),
    ]);
  expect(Object.fromEntries(answers)).toEqual({
    login: ['server.loginReceipt'],
    send: ['server.normalReceipt', 'server.invalidReceipt', 'server.error'],
    createGroup: ['server.normalReceipt', 'server.invalidReceipt', 'server.error'],
    history: ['server.historyReceipt', 'server.error'],
    receipt: ['server.receiptConfirm'],
    heartbeat: ['server.beat'],
  });
});

test('every message has examples that its schema accepts, and the schema rejects missing required fields', () => {
  for (const message of messages()) {
    const schema = Compile(message.payload()?.json() as TSchema);
    const examples = message.examples().all();
    expect([message.id(), examples.length]).not.toEqual([message.id(), 0]);
    for (const example of examples)
      expect([message.id(), schema.Errors(example.payload())]).toEqual([message.id(), []]);
    expect([message.id(), schema.Check(message.id() === 'server.batch' ? [{}] : {})]).toEqual([message.id(), false]);
  }
});

test('asyncapi.json holds the tables of errors and closes', () => {
  const { 'x-errors': errors, 'x-closes': closes } = JSON.parse(text) as Record<string, Record<string, object>>;
  expect(Object.keys(errors ?? {})).toEqual(Object.keys(errorTable));
  expect(Object.keys(closes ?? {})).toEqual(Object.keys(closeTable));
});
