import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUS_USERS, commands, routes, subjects, type BusUser } from '@huizhi/protocol';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { connect, PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import { eventually } from './eventually.js';
import { Nats } from './nats.js';

/** The operations that a real server permits with the credentials of one service. */

let folder: string;
let nats: Nats;
const open: NatsConnection[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hz-access-'));
  nats = await Nats.start({ dataDir: folder });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await nats.stop();
  rmSync(folder, { recursive: true });
});

type Deed = 'publish' | 'subscription';

/**
 * Connects as `user`. `refused` collects each operation that the server refuses, for example `publish hz.committed`.
 */
async function intruder(user: BusUser): Promise<{ client: NatsConnection; refused: Set<string> }> {
  const { host, username, password } = new URL(nats.urlOf(user));
  const client = await connect({ servers: host, user: username, pass: password, reconnect: false });
  open.push(client);
  const refused = new Set<string>();
  void (async () => {
    for await (const status of client.status()) {
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
      refused.add(`${status.error.operation} ${status.error.subject}`);
    }
  })();
  return { client, refused };
}

function attempt(client: NatsConnection, deed: Deed, subject: string): void {
  if (deed === 'publish') client.publish(subject);
  else client.subscribe(subject, { callback: () => undefined });
}

/** The pattern with 1 for every wildcard: the first lane, or an instance of that name. */
const concrete = (pattern: string): string => pattern.replaceAll('*', '1');

test.each(BUS_USERS)('%s may publish and subscribe only to the subjects of its routes', async (user) => {
  const { client, refused } = await intruder(user);
  const deeds = routes.flatMap(({ subject, from, to }) => [
    { deed: 'publish' as const, subject: concrete(subject), allowed: from.includes(user) },
    { deed: 'subscription' as const, subject, allowed: to.includes(user) },
    { deed: 'subscription' as const, subject: concrete(subject), allowed: to.includes(user) },
  ]);
  const expected = deeds.filter(({ allowed }) => !allowed).map(({ deed, subject }) => `${deed} ${subject}`);
  for (const { deed, subject } of deeds) attempt(client, deed, subject);
  // Each refusal arrives before the answer to a flush, but the client reports it after that answer.
  await client.flush();
  await eventually('the refusals', () => refused.size >= new Set(expected).size);
  await client.flush();
  expect([...refused].sort()).toEqual([...new Set(expected)].sort());
});

const attacks: [string, BusUser, Deed, string][] = [
  ['a gateway announces messages that do not exist', 'gateway', 'publish', subjects.committed],
  [
    'a gateway publishes receipts for messages that are not stored',
    'gateway',
    'publish',
    subjects.receipts('gateway-2'),
  ],
  ['a gateway publishes deliveries to another gateway', 'gateway', 'publish', subjects.gateway('gateway-2')],
  ['a gateway announces itself as a lane owner', 'gateway', 'publish', subjects.lanes('message')],
  ['a gateway reads the log', 'gateway', 'publish', subjects.log],
  ['a gateway queries the members of a group', 'gateway', 'publish', subjects.members],
  ['a gateway revokes tokens', 'gateway', 'publish', commands.revokeTokens],
  ['a gateway revokes tokens at the lane owner', 'gateway', 'publish', subjects.revoke(0)],
  ['a gateway subscribes to sends', 'gateway', 'subscription', subjects.send(0)],
  ['a gateway subscribes to login requests', 'gateway', 'subscription', subjects.open(0)],
  ['a gateway subscribes to all committed events', 'gateway', 'subscription', subjects.committed],
  ['a gateway subscribes to the replies to another service', 'gateway', 'subscription', 'hz.reply.offline.>'],
  ['a gateway answers a request of another gateway', 'gateway', 'publish', subjects.replies('gateway', 'gateway-2')],
  ['a gateway subscribes to every subject', 'gateway', 'subscription', '>'],
  ['a gateway subscribes to every subject under hz', 'gateway', 'subscription', 'hz.>'],
  ['a gateway subscribes to all reply subjects', 'gateway', 'subscription', 'hz.reply.>'],
  ['a gateway subscribes to the default reply subjects of NATS', 'gateway', 'subscription', '_INBOX.>'],
  ['the message service opens sessions', 'message', 'publish', subjects.open(0)],
  ['the message service publishes deliveries', 'message', 'publish', subjects.gateway('gateway-1')],
  ['the message service announces itself as an inbox lane owner', 'message', 'publish', subjects.lanes('offline')],
  ['the message service creates users', 'message', 'publish', commands.ensureUser],
  ['the offline service publishes sends', 'offline', 'publish', subjects.send(0)],
  ['the offline service publishes receipts', 'offline', 'publish', subjects.receipts('gateway-1')],
  ['the offline service announces itself as a message lane owner', 'offline', 'publish', subjects.lanes('message')],
  ['media publishes any message', 'media', 'publish', 'hz.anything'],
  ['media subscribes to any subject', 'media', 'subscription', 'hz.anything'],
  ['push publishes any message', 'push', 'publish', subjects.send(0)],
  ['push subscribes to deliveries', 'push', 'subscription', subjects.gateway('gateway-1')],
  ['an operator’s credentials publish sends', 'admin', 'publish', subjects.send(0)],
  ['an operator’s credentials subscribe to sends', 'admin', 'subscription', subjects.send(0)],
];

test.each(attacks)('the server refuses and logs: %s', async (_, user, deed, subject) => {
  const { client, refused } = await intruder(user);
  attempt(client, deed, subject);
  await client.flush();
  await eventually('the refusal', () => refused.has(`${deed} ${subject}`));
  const logged = (line: string): boolean => line.includes(`Violation - User "${user}"`) && line.includes(subject);
  await eventually('the refusal in the server log', () => nats.logs.some(logged));
});

test('the server refuses a connection without credentials or with a wrong password', async () => {
  const { host, password } = new URL(nats.urlOf('message'));
  for (const credentials of [
    {},
    { user: 'gateway', pass: 'wrong' },
    { user: 'gateway', pass: password },
    { user: 'huizhi', pass: password },
  ]) {
    await expect(connect({ servers: host, ...credentials, reconnect: false })).rejects.toThrow(
      /authorization violation/i,
    );
  }
});
