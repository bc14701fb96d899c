import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUS_USERS, commands, routes, subjects, type BusUser } from '@huizhi/protocol';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { connect, PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import { eventually } from './eventually.js';
import { Nats } from './nats.js';

/** What a real server lets who has broken into a service do with its credentials. */

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

/** A connection of a user, and what the server refused it: `publish hz.committed`. */
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

/** The first lane, or an instance of that name. */
const concrete = (pattern: string): string => pattern.replaceAll('*', '1');

test.each(BUS_USERS)('%s may say and hear exactly what the table of routes says', async (user) => {
  const { client, refused } = await intruder(user);
  const deeds = routes.flatMap(({ subject, from, to }) => [
    { deed: 'publish' as const, subject: concrete(subject), allowed: from.includes(user) },
    { deed: 'subscription' as const, subject, allowed: to.includes(user) },
    { deed: 'subscription' as const, subject: concrete(subject), allowed: to.includes(user) },
  ]);
  const expected = deeds.filter(({ allowed }) => !allowed).map(({ deed, subject }) => `${deed} ${subject}`);
  for (const { deed, subject } of deeds) attempt(client, deed, subject);
  // Refusals are on the wire before the answer to a flush; they are heard of behind it.
  await client.flush();
  await eventually('the refusals', () => refused.size >= new Set(expected).size);
  await client.flush();
  expect([...refused].sort()).toEqual([...new Set(expected)].sort());
});

const attacks: [string, BusUser, Deed, string][] = [
  ['a gateway tells of messages that do not exist', 'gateway', 'publish', subjects.committed],
  ['a gateway receipts what is not stored', 'gateway', 'publish', subjects.receipts('gateway-2')],
  ['a gateway delivers to another gateway', 'gateway', 'publish', subjects.gateway('gateway-2')],
  ['a gateway says that it owns lanes', 'gateway', 'publish', subjects.lanes('message')],
  ['a gateway reads the log', 'gateway', 'publish', subjects.log],
  ['a gateway asks who is in a group', 'gateway', 'publish', subjects.members],
  ['a gateway revokes tokens', 'gateway', 'publish', commands.revokeTokens],
  ['a gateway revokes them at the owner', 'gateway', 'publish', subjects.revoke(0)],
  ['a gateway overhears sends', 'gateway', 'subscription', subjects.send(0)],
  ['a gateway takes logins', 'gateway', 'subscription', subjects.open(0)],
  ['a gateway hears all news', 'gateway', 'subscription', subjects.committed],
  ['a gateway reads the answers to another service', 'gateway', 'subscription', 'hz.reply.offline.>'],
  ['a gateway answers a question of another', 'gateway', 'publish', subjects.replies('gateway', 'gateway-2')],
  ['a gateway hears everything', 'gateway', 'subscription', '>'],
  ['a gateway hears everything of ours', 'gateway', 'subscription', 'hz.>'],
  ['a gateway hears all inboxes', 'gateway', 'subscription', 'hz.reply.>'],
  ['a gateway hears the usual inboxes', 'gateway', 'subscription', '_INBOX.>'],
  ['the message service opens sessions', 'message', 'publish', subjects.open(0)],
  ['the message service delivers', 'message', 'publish', subjects.gateway('gateway-1')],
  ['the message service takes inbox lanes', 'message', 'publish', subjects.lanes('offline')],
  ['the message service makes users on its own word', 'message', 'publish', commands.ensureUser],
  ['the offline service sends', 'offline', 'publish', subjects.send(0)],
  ['the offline service receipts', 'offline', 'publish', subjects.receipts('gateway-1')],
  ['the offline service takes lanes of messages', 'offline', 'publish', subjects.lanes('message')],
  ['media says anything', 'media', 'publish', 'hz.anything'],
  ['media hears anything', 'media', 'subscription', 'hz.anything'],
  ['push says anything', 'push', 'publish', subjects.send(0)],
  ['push hears what is delivered', 'push', 'subscription', subjects.gateway('gateway-1')],
  ['an operator’s credentials send', 'admin', 'publish', subjects.send(0)],
  ['an operator’s credentials hear what is sent', 'admin', 'subscription', subjects.send(0)],
];

test.each(attacks)('refused: %s', async (_, user, deed, subject) => {
  const { client, refused } = await intruder(user);
  attempt(client, deed, subject);
  await client.flush();
  await eventually('the refusal', () => refused.has(`${deed} ${subject}`));
  const logged = (line: string): boolean => line.includes(`Violation - User "${user}"`) && line.includes(subject);
  await eventually('a word in the log of the server', () => nats.logs.some(logged));
});

test('without credentials, with a wrong password and with that of another user there is no connection', async () => {
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
