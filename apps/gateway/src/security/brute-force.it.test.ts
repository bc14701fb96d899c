import { expect, test } from '@jest/globals';
import { commands } from '@huizhi/protocol';
import { eventually, signToken } from '@huizhi/dev-env';
import { GatewayFixture, SECRET } from '../testing/gateway-fixture.js';

/** Refused logins do not reveal which users exist, neither by content nor by timing. */

const fixture = GatewayFixture.forAllTests({
  HZ_LOGIN_ATTEMPTS: '1000',
  HZ_FAILED_LOGINS_PER_ADDRESS: '1000',
  HZ_RECONCILE: '1h',
});

/** Tokens that an attacker may have, and the error of each. */
const guesses: [string, (user: string) => Promise<string>, string][] = [
  ['a bad signature', (user) => signToken('b'.repeat(32), user), 'badToken'],
  ['an expired valid one', (user) => signToken(SECRET, user, -3_600), 'tokenExpired'],
  ['a valid one of another user', () => signToken(SECRET, 'mallory'), 'badToken'],
];

async function guess(user: string, token: string): Promise<unknown[]> {
  const client = await fixture.connect();
  client.send({ messageType: 'login', fromUserID: user, versionCode: 2, deviceID: 'd', token });
  await client.closed();
  return client.lines;
}

/** A measured time on a busy machine proves nothing, so the test proves that a refused login sends no request. */
test('a refused login sends no request and gets the same answer whether the user is online, known or unknown', async () => {
  await fixture.login('online');
  (await fixture.login('was-here')).destroy();
  await eventually('the end of the session', () => fixture.offline.closes.length === 1);
  // Every request of the gateway has a reply subject.
  const asked: string[] = [];
  let listens = false;
  fixture.bus.subscribe('>', (_, subject, reply) =>
    reply ? asked.push(subject) : (listens ||= subject === 'test.mark'),
  );
  fixture.bus.publish('test.mark', '');
  await eventually('the subscription', () => listens);
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
  // A valid login sends a request on both connections of the gateway, after any request of the refused logins.
  await fixture.login('proved');
  expect(asked).toEqual([commands.ensureUser, expect.stringMatching(/^hz\.session\.open\.\d+$/)]);
});
