import { expect, test } from '@jest/globals';
import { commands } from '@huizhi/protocol';
import { eventually, signToken } from '@huizhi/dev-env';
import { GatewayFixture, SECRET } from '../testing/gateway-fixture.js';

/** Who guesses tokens learns nothing of who exists: not from words, and not from how long it takes. */

const fixture = GatewayFixture.forAllTests({
  HZ_LOGIN_ATTEMPTS: '1000',
  HZ_FAILED_LOGINS_PER_ADDRESS: '1000',
  HZ_RECONCILE: '1h',
});

/** What a guesser may hold, and how it is refused. */
const guesses: [string, (user: string) => Promise<string>, string][] = [
  ['a bad signature', (user) => signToken('b'.repeat(32), user), 'badToken'],
  ['a good one that has expired', (user) => signToken(SECRET, user, -3_600), 'tokenExpired'],
  ['a good one of somebody else', () => signToken(SECRET, 'mallory'), 'badToken'],
];

async function guess(user: string, token: string): Promise<unknown[]> {
  const client = await fixture.connect();
  client.send({ messageType: 'login', fromUserID: user, versionCode: 2, deviceID: 'd', token });
  await client.closed();
  return client.lines;
}

/** A clock on a busy machine proves nothing either way; that nothing is done that could take a different time does. */
test('a refused login asks nobody and is answered alike, whether the user has a session, has been here, or does not exist', async () => {
  await fixture.login('online');
  (await fixture.login('was-here')).destroy();
  await eventually('the end of the session', () => fixture.offline.closes.length === 1);
  // All that the gateway asks of anybody says where to answer.
  const asked: string[] = [];
  let listens = false;
  fixture.bus.subscribe('>', (_, subject, reply) =>
    reply ? asked.push(subject) : (listens ||= subject === 'test.mark'),
  );
  fixture.bus.publish('test.mark', '');
  await eventually('the bus to be overheard', () => listens);
  const users = ['online', 'was-here', 'nobody'];
  for (let round = 0; round < 10; round++) {
    for (const [what, made, name] of guesses) {
      const answers: unknown[] = [];
      for (const user of users) answers.push(await guess(user, await made(user)));
      expect([what, answers[0]]).toMatchObject([
        what,
        [{ messageType: 'loginReceipt', name }, { name: 'loginFailed' }],
      ]);
      expect([what, answers]).toEqual([what, users.map(() => answers[0])]);
    }
  }
  // One that is proved asks on both of the gateway's connections, behind all that a refused one could have asked there.
  await fixture.login('proved');
  expect(asked).toEqual([commands.ensureUser, expect.stringMatching(/^hz\.session\.open\.\d+$/)]);
});
