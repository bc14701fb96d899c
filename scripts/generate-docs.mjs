// Regenerates the marked regions of the documents from the built code; `--check` only reports whether they are up to
// date.
//
// <!-- generated:errors -->  …replaced…  <!-- /generated -->
//
// `generated:config <service>` is the table of a service's variables. docs/asyncapi.json, docs/bench.svg and
// k8s/base/nats.conf are generated as a whole.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as prettier from 'prettier';
import { asyncapiOf } from './asyncapi.mjs';
import { benchRows, benchSvg, savedResults } from './bench-plot.mjs';

const root = join(import.meta.dirname, '..');
const DOCUMENTS = ['docs/protocol.md', 'docs/operations.md', 'docs/security-controls.md', 'bench/README.md'];
const ASYNCAPI = 'docs/asyncapi.json';
const PLOT = 'docs/bench.svg';
const NATS_CONF = 'k8s/base/nats.conf';
const REGION = /(<!-- generated:([^>]+?) -->\n)[^]*?(<!-- \/generated -->)/g;

const built = (path) => {
  const file = join(root, 'dist', path);
  if (!existsSync(file)) throw new Error(`${path} is not built: run \`npm run build\` first`);
  return import(pathToFileURL(file).href);
};

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(cell).join(' | ')} |`).join('\n');
const code = (text) => `\`${text}\``;

const errors = ({ errorTable }) =>
  table(
    ['code', 'name', 'temporary', 'meaning'],
    Object.entries(errorTable).map(([name, row]) => [row.code, code(name), row.temporary ? 'yes' : 'no', row.meaning]),
  );

const closes = ({ closeTable, mayReconnect }) =>
  table(
    ['code', 'name', 'reconnect', 'meaning'],
    Object.entries(closeTable).map(([name, row]) => [
      row.code,
      code(name),
      mayReconnect(row.code) ? 'yes' : 'no',
      row.meaning,
    ]),
  );

const commands = ({ clientCommands }) =>
  table(
    ['command', 'class', 'rate limit', 'answers', 'allowed for'],
    clientCommands.map(({ type, class: kind, rate, answers, authority }) => [
      code(type),
      kind,
      rate === 'quiet' ? 'receipts and heartbeats' : 'frames',
      answers.map(code).join(', '),
      authority,
    ]),
  );

const patterns = ({ Id, ClientId, MessageId, Kind }) => ({
  [Id.pattern]: 'id',
  [ClientId.pattern]: 'client id',
  [MessageId.pattern]: 'message id',
  [Kind.pattern]: 'kind',
});

const types = (names) =>
  table(
    ['type', 'a string that matches'],
    Object.entries(names).map(([pattern, name]) => [name, code(pattern)]),
  );

/** A range in words: "1–64 characters", "at most 500 items", "0 … 10". */
function range(unit, least, most) {
  if (least && most) return `${least}–${most} ${unit}`;
  if (most !== undefined) return `at most ${most} ${unit}`;
  return least ? `at least ${least} ${unit}` : '';
}

const withRange = (what, text) => (text ? `${what}, ${text}` : what);

function typeName(schema, names) {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.anyOf) return schema.anyOf.map((one) => typeName(one, names)).join(' or ');
  if (schema.type === 'string') {
    return schema.pattern
      ? (names[schema.pattern] ?? `string matching ${code(schema.pattern)}`)
      : withRange('string', range('characters', schema.minLength, schema.maxLength));
  }
  if (schema.type === 'integer') {
    const { minimum, maximum } = schema;
    if (minimum === 0 && maximum === Number.MAX_SAFE_INTEGER) return 'count';
    return maximum === undefined ? 'integer' : `integer, ${minimum} … ${maximum}`;
  }
  if (schema.type === 'array') {
    const items = schema.items.properties?.messageType ? code('normal') + ' frames' : typeName(schema.items, names);
    return withRange(`array of ${items}`, range('items', schema.minItems, schema.maxItems));
  }
  return schema.type;
}

/** One row per field. The fields of a nested object follow it, named with a dot. */
const rowsOf = (schema, names, prefix = '') =>
  Object.entries(schema.properties).flatMap(([name, field]) => [
    [code(prefix + name), typeName(field, names), schema.required?.includes(name) ? 'yes' : 'no'],
    ...(field.properties ? rowsOf(field, names, `${prefix}${name}.`) : []),
  ]);

const fields = (schema, names) => table(['field', 'type', 'required'], rowsOf(schema, names));

async function configOf(service) {
  const [{ configTable }, exports] = await Promise.all([
    built('libs/runtime/src/index.js'),
    built(`apps/${service}/src/config.js`),
  ]);
  const definition = exports[`${service}Config`];
  if (!definition) throw new Error(`apps/${service}/src/config.ts exports no ${service}Config`);
  return configTable(definition);
}

const benchTable = () =>
  table(
    ['what', 'outcome', 'CPU µs of services + generator', 'cores busy by others', 'runs', 'date'],
    benchRows(savedResults()),
  );

async function contentOf(region, protocol, names) {
  const [kind, argument] = region.split(' ');
  if (kind === 'errors') return errors(protocol);
  if (kind === 'closes') return closes(protocol);
  if (kind === 'types') return types(names);
  if (kind === 'commands') return commands(protocol);
  if (kind === 'up' && protocol.upSchemas[argument]) return fields(protocol.upSchemas[argument], names);
  if (kind === 'down' && protocol.downSchemas[argument]) return fields(protocol.downSchemas[argument], names);
  if (kind === 'bench') return benchTable();
  if (kind === 'config') return configOf(argument);
  throw new Error(`nothing generates the region "${region}"`);
}

async function regenerated(path, text, protocol, names) {
  let result = text;
  for (const [whole, start, region, end] of text.matchAll(REGION)) {
    const content = await contentOf(region, protocol, names);
    result = result.replace(whole, () => `${start}\n${content}\n\n${end}`);
  }
  const options = await prettier.resolveConfig(path);
  return prettier.format(result, { ...options, parser: 'markdown' });
}

const readFileIfAny = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

async function asyncapi(protocol) {
  const vectors = (name) => JSON.parse(readFileSync(join(root, 'libs/protocol/fixtures', name), 'utf8')).rows;
  const document = asyncapiOf(protocol, { up: vectors('frames-up.json'), down: vectors('frames-down.json') });
  const path = join(root, ASYNCAPI);
  return prettier.format(JSON.stringify(document), { ...(await prettier.resolveConfig(path)), parser: 'json' });
}

/** Passwords come from the environment, in quotes: an unquoted password of digits would be read as a number. */
const natsConf = ({ natsAuthorization }) =>
  [
    '# Generated from libs/protocol/src/bus/access.ts by `npm run docs`: permissions of each service on the bus.',
    '# The variables must hold the passwords in double quotes.',
    'port: 4222',
    natsAuthorization((user) => `$NATS_${user.toUpperCase()}_PASSWORD`),
  ].join('\n');

/** The frames without a table: each frame must have one. */
function missingFrames(text, { upSchemas, downSchemas }) {
  const expected = [
    ...Object.keys(upSchemas).map((name) => `up ${name}`),
    ...Object.keys(downSchemas).map((name) => `down ${name}`),
  ];
  return expected.filter((region) => !text.includes(`<!-- generated:${region} -->`));
}

async function main() {
  const check = process.argv.includes('--check');
  const protocol = await built('libs/protocol/src/index.js');
  const names = patterns(await built('libs/protocol/src/schema.js'));
  const stale = [];
  const renew = (document, before, after) => {
    if (before === after) return;
    stale.push(document);
    if (!check) writeFileSync(join(root, document), after);
  };
  for (const document of DOCUMENTS) {
    const path = join(root, document);
    if (!existsSync(path)) continue;
    const text = readFileSync(path, 'utf8');
    const missing = document === 'docs/protocol.md' ? missingFrames(text, protocol) : [];
    if (missing.length > 0) throw new Error(`${document} has no region for: ${missing.join(', ')}`);
    renew(document, text, await regenerated(path, text, protocol, names));
  }
  const { budget } = await built('tools/load/src/budget.js');
  renew(PLOT, readFileIfAny(join(root, PLOT)), benchSvg(savedResults(), budget));
  renew(ASYNCAPI, readFileIfAny(join(root, ASYNCAPI)), await asyncapi(protocol));
  renew(NATS_CONF, readFileIfAny(join(root, NATS_CONF)), natsConf(protocol));
  if (stale.length === 0) console.log('The documents are up to date.');
  else if (!check) console.log(`Regenerated: ${stale.join(', ')}`);
  else
    throw new Error(
      `not up to date: ${stale.join(', ')}. Run \`npm run build && npm run docs\` and commit the result.`,
    );
}

await main().catch((error) => {
  console.error(`docs: ${error.message}`);
  process.exitCode = 1;
});
