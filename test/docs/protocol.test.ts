import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { downSchemas, readUp, upSchemas } from '@huizhi/protocol';
import { expect, test } from '@jest/globals';
import Type, { type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/**
 * Checks that the example frames of docs/protocol.md are valid. `C` and `S` mark the sender; other examples take it
 * from the surrounding text.
 */
const text = readFileSync(join(projectRoot(), 'docs/protocol.md'), 'utf8');

type Frame = Record<string, unknown>;
interface Example {
  line: string;
  by: 'client' | 'server';
  frame: unknown;
}

const blocks = [...text.matchAll(/^```\n([^]*?)^```$/gm)].map(([, block]) => block ?? '');
const lines = blocks.flatMap((block) => block.split('\n')).filter((line) => /^([CS] )?[[{]/.test(line));
const examples = lines.map((line): Example => {
  const [, letter, json] = /^(?:([CS]) )?(.*)$/.exec(line) ?? [];
  const frame = JSON.parse(json ?? '') as unknown;
  const isServers =
    letter === 'S' || (letter === undefined && (Array.isArray(frame) || 'inboxSeq' in (frame as Frame)));
  return { line, by: isServers ? 'server' : 'client', frame };
});
const of = (by: Example['by']): Example[] => examples.filter((example) => example.by === by);

const closed = (schema: TSchema): TSchema => ({ ...schema, additionalProperties: false });
const batch = Type.Array(closed(downSchemas.normal), { minItems: 1 });

/** Examples of server frames must list every field. */
function schemaOf(frame: unknown): TSchema {
  if (Array.isArray(frame)) return batch;
  const { messageType = 'beat' } = frame as Frame;
  const found = Object.entries(downSchemas).find(([name]) => name === messageType);
  return found ? closed(found[1]) : Type.Never();
}

test.each(of('client'))('a client may send $line', ({ frame }) => {
  const isLogin = (frame as Frame).versionCode !== undefined;
  const { type, frame: read } = readUp(frame as Frame, isLogin);
  // Parsing drops no field of an example, and field names match the tables.
  expect(read).toEqual({ ...(frame as Frame), ...(isLogin && { versionCode: Number((frame as Frame).versionCode) }) });
  expect(Object.keys(upSchemas)).toContain(type);
});

test.each(of('server'))('the server may send $line', ({ frame }) => {
  expect(Compile(schemaOf(frame)).Errors(frame)).toEqual([]);
});

test('protocol.md has an example of every frame type', () => {
  const shown = examples.map(({ by, frame }) => [by, (frame as Frame).messageType ?? 'beat']);
  for (const name of Object.keys(upSchemas)) expect(shown).toContainEqual(['client', name]);
  // historyReceipt has only a table: an example would be too long.
  const answers = Object.keys(downSchemas).filter((name) => name !== 'historyReceipt');
  for (const name of answers) expect(shown).toContainEqual(['server', name]);
});
