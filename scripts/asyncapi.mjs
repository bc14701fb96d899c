// Builds the client protocol as an AsyncAPI 3.0 document from the schemas and the golden vectors. `generate-docs.mjs`
// writes the file.

const DELIVERY = 'server.normal';

/** A schema as plain JSON. Deliveries nested in other frames become references. */
function plain(schema, named) {
  const nested = (name, value) =>
    value === named && value !== schema ? { $ref: `#/components/schemas/${DELIVERY}` } : value;
  return JSON.parse(JSON.stringify(schema, nested));
}

const capital = (name) => name[0].toUpperCase() + name.slice(1);
const message = (key) => ({ $ref: `#/channels/connection/messages/${key}` });
const CONNECTION = { $ref: '#/channels/connection' };

/** The fields that match an answer to its request. */
const CORRELATION = {
  clientMsgID: 'Echoed in every answer together with `sendTime`, which identifies a message without it.',
  requestID: 'Echoed in the answer.',
  beatID: 'Echoed in the answer.',
};

const SUMMARIES = {
  loginReceipt: 'The session is open (`code` 0), or was refused with a reason; then a close follows.',
  normalReceipt: 'The message is durable.',
  invalidReceipt: 'Final: the message is not and will not be stored.',
  error: 'Refers to a message or request when it echoes its id. `temporary`: the outcome is unknown, send it again.',
  close: 'The last frame; `reconnect` tells whether to reconnect.',
  receiptConfirm: 'Everything up to `inboxSeq` is stored as receipted and is never delivered to this device again.',
  normal: 'A message for this device. The device must receipt it.',
  historyReceipt: 'A page of history. It needs no receipt.',
  beat: 'The answer to a heartbeat, with the head of the inbox.',
  batch: 'An offline batch: messages in `inboxSeq` order, in one frame. Version 1 receives them one by one.',
};

/** Operations that the server starts. Client commands describe themselves in `clientCommands`. */
const SERVER_OPERATIONS = {
  deliver: {
    action: 'send',
    summary: 'Messages are delivered in `inboxSeq` order and redelivered until they are receipted.',
    messages: ['server.normal', 'server.batch'],
    answers: ['client.receipt'],
  },
  complain: {
    action: 'send',
    summary: 'An error for a frame that matches no message and no request.',
    messages: ['server.error'],
  },
  close: { action: 'send', summary: 'The reason why the server closes the connection.', messages: ['server.close'] },
};

/** One operation per client command, followed by those of the server. */
function operationsOf(clientCommands) {
  const ofClient = clientCommands.map(({ type, operation = type, usage, answers }) => [
    operation,
    {
      action: 'receive',
      summary: usage,
      messages: [`client.${type}`],
      answers: answers.map((name) => `server.${name}`),
    },
  ]);
  return { ...Object.fromEntries(ofClient), ...SERVER_OPERATIONS };
}

const HOST = 'im.example.org:4433';

/** All modes share one port: the first bytes of a connection select the mode. */
const SERVERS = {
  lines: {
    host: HOST,
    protocol: 'tls',
    title: 'JSON lines',
    description: 'One JSON object per line, in UTF-8, ended by LF, over TLS. The first byte is `{`.',
  },
  base64Lines: {
    host: HOST,
    protocol: 'tls',
    title: 'JSON lines in base64',
    description:
      'The same lines, each in base64, over TLS. A client line that is not base64 of an object is a heartbeat with that `beatID`.',
  },
  frames: {
    host: HOST,
    protocol: 'tls',
    title: 'Binary frames',
    description: 'A header of ten bytes that begins with `HZ` and holds the length, then the JSON, over TLS.',
  },
  webSocket: {
    host: HOST,
    pathname: '/ws',
    protocol: 'wss',
    title: 'WebSocket',
    description: 'One JSON object per text message. Closes have the codes of `x-closes`.',
  },
};

const row = (examples, schema) => examples.filter((one) => one.schema === schema);

/** The vectors as examples per side: `{schema, name, frame}`. A client frame is shown as the server reads it. */
function examplesOf({ up, down }) {
  const read = up.filter(({ type }) => type).map(({ type, name, frame }) => ({ schema: type, name, frame }));
  return { client: read, server: down };
}

const isShort = ({ frame }) => JSON.stringify(frame).length < 1000;

function messageOf({ side, name, schema, summary }, examples) {
  const field = Object.keys(CORRELATION).find((one) => schema.properties?.[one]);
  return {
    name: schema.properties?.messageType?.const ?? name,
    title: `${capital(name)} (from the ${side})`,
    summary,
    contentType: 'application/json',
    ...(field && { correlationId: { location: `$message.payload#/${field}`, description: CORRELATION[field] } }),
    payload: { $ref: `#/components/schemas/${side}.${name}` },
    examples: row(examples, name)
      .filter(isShort)
      .map((one) => ({ name: one.name, payload: one.frame })),
  };
}

const operation = ({ action, summary, messages, answers }) => ({
  action,
  channel: CONNECTION,
  summary,
  messages: messages.map(message),
  ...(answers && { reply: { channel: CONNECTION, messages: answers.map(message) } }),
});

const mapped = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(key, value)]));

/**
 * @param protocol the built protocol library
 * @param vectors `{up, down}`: the rows of the golden vectors of frames
 */
export function asyncapiOf(protocol, vectors) {
  const { clientCommands, upSchemas, downSchemas, errorTable, closeTable, mayReconnect, PROTOCOL_VERSION } = protocol;
  const examples = examplesOf(vectors);
  const batch = { type: 'array', minItems: 1, items: downSchemas.normal };
  const sides = { client: upSchemas, server: { ...downSchemas, batch } };
  const each = Object.entries(sides).flatMap(([side, schemas]) =>
    Object.entries(schemas).map(([name, schema]) => {
      const summary = side === 'server' ? SUMMARIES[name] : clientCommands.find(({ type }) => type === name).summary;
      return { key: `${side}.${name}`, side, name, schema, summary };
    }),
  );
  const without = each.filter(({ summary }) => !summary).map(({ key }) => key);
  if (without.length > 0) throw new Error(`scripts/asyncapi.mjs has no summary for: ${without.join(', ')}`);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Huizhi client protocol',
      version: `${PROTOCOL_VERSION}.0.0`,
      description:
        'The protocol between devices and a Huizhi server; the server is the application described. Prose, and rules that ' +
        'schemas cannot express (order, retries, limits, closes), are in protocol.md. On input, integers and strings of ' +
        'digits are interchangeable, null equals an absent field, and unlisted fields are dropped.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: SERVERS,
    channels: {
      connection: {
        address: null,
        title: 'A connection of a device',
        description: 'One TCP or WebSocket connection. After the login, both sides send frames at any time.',
        servers: Object.keys(SERVERS).map((name) => ({ $ref: `#/servers/${name}` })),
        messages: Object.fromEntries(each.map(({ key }) => [key, { $ref: `#/components/messages/${key}` }])),
      },
    },
    operations: mapped(operationsOf(clientCommands), (_, one) => operation(one)),
    components: {
      messages: Object.fromEntries(each.map((one) => [one.key, messageOf(one, examples[one.side])])),
      schemas: Object.fromEntries(each.map(({ key, schema }) => [key, plain(schema, downSchemas.normal)])),
    },
    'x-errors': mapped(errorTable, (_, { code, temporary, meaning }) => ({ code, temporary, meaning })),
    'x-closes': mapped(closeTable, (_, { code, meaning }) => ({ code, reconnect: mayReconnect(code), meaning })),
  };
}
