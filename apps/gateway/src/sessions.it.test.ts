import { expect, test } from '@jest/globals';
import { signToken } from '@huizhi/dev-env';
import { Clock } from './testing/clock.js';
import { GatewayFixture, SECRET } from './testing/gateway-fixture.js';

const HOUR_MS = 3_600_000;

const fixture = GatewayFixture.forEachTest();

test('the gateway closes a session after its token and the leeway, and asks the client to reconnect', async () => {
  const clock = new Clock();
  const patience = { HZ_HEARTBEAT: '23h', HZ_STALE_AFTER: '23h', HZ_TOKEN_LEEWAY: '10s' };
  await fixture.restart(patience, clock);
  const token = await signToken(SECRET, 'alice', HOUR_MS / 1_000);
  const alice = await fixture.login('alice', { token });
  const bob = await fixture.login('bob');
  clock.turn(HOUR_MS + 5_000);
  alice.send({ beatID: 'within the leeway' });
  await alice.frame({ beatID: 'within the leeway' });
  clock.turn(6_000);
  expect(await alice.frame({ messageType: 'close' })).toMatchObject({ name: 'tokenExpired', reconnect: true });
  await alice.closed();
  bob.send({ beatID: 'unaffected' });
  await bob.frame({ beatID: 'unaffected' });
});

test("the owner gets the token's time of issue, and its refusal is permanent", async () => {
  fixture.offline.refusal = 'tokenRevoked';
  const before = Math.floor(Date.now() / 1_000);
  const client = await fixture.connect();
  client.send({ messageType: 'login', fromUserID: 'alice', versionCode: 2, token: await signToken(SECRET, 'alice') });
  expect(await client.frame({ messageType: 'loginReceipt' })).toMatchObject({ code: 1104, name: 'tokenRevoked' });
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name: 'loginFailed', reconnect: false });
  expect(fixture.offline.opens).toHaveLength(1);
  expect(fixture.offline.opens[0]?.issuedAt).toBeGreaterThanOrEqual(before);
});

test('a revoked session ends, also when the revocation arrives before the session is open', async () => {
  const phone = await fixture.login('alice');
  const tablet = await fixture.login('alice', { deviceID: 'tablet' });
  fixture.offline.revoke('alice', 'phone');
  expect(await phone.frame({ messageType: 'close' })).toMatchObject({ name: 'revoked', reconnect: false });
  await phone.closed();
  fixture.offline.beforeOpened = ({ gateway, session }) => fixture.offline.say(gateway, { revoked: [session] });
  const late = await fixture.login('alice', { deviceID: 'watch' });
  expect(await late.frame({ messageType: 'close' })).toMatchObject({ name: 'revoked' });
  tablet.send({ beatID: 'still here' });
  await tablet.frame({ beatID: 'still here' });
});

test('a login during catch-up closes the older session, and the newer one gets all unreceipted entries', async () => {
  for (let i = 0; i < 450; i++) fixture.offline.put('alice', `m${i}`);
  const first = await fixture.login('alice');
  await first.frame({ inboxSeq: 200 });
  first.send({ messageType: 'receipt', upTo: 100 });
  await first.frame({ messageType: 'receiptConfirm', inboxSeq: 100 });
  const second = await fixture.login('alice');
  expect(await first.frame({ messageType: 'close' })).toMatchObject({ name: 'kicked', reconnect: false });
  await first.closed();
  await second.frame({ inboxSeq: 450 });
  expect(second.delivered).toEqual(Array.from({ length: 350 }, (_, i) => 101 + i));
});

test('version 1 gets a tip for an unknown kind, live and during catch-up, and receipts it like any other', async () => {
  const body = (contenType: string): Record<string, unknown> => ({ contenType, content: { text: contenType, odd: 1 } });
  fixture.offline.put('alice', 'x', body('sticker'));
  fixture.offline.put('alice', 'x', body('text'));
  const old = await fixture.login('alice', { versionCode: 1 });
  await old.frame({ inboxSeq: 2 });
  fixture.offline.deliver('alice', 'x', body('poll'));
  const tip = { contenType: 'tip', content: { text: expect.stringContaining('please upgrade') as unknown } };
  expect(await old.frame({ inboxSeq: 3 })).toMatchObject(tip);
  expect(old.frames.find(({ inboxSeq, content }) => inboxSeq === 1 && content)).toMatchObject(tip);
  expect(old.frames.find(({ inboxSeq, content }) => inboxSeq === 2 && content)).toMatchObject(body('text'));
  // Single frames, because version 1 cannot read arrays.
  expect(old.lines.filter(Array.isArray)).toEqual([]);
  old.send({ messageType: 'receipt', messageID: fixture.offline.messageIDOf('alice', 1) });
  old.send({ messageType: 'receipt', upTo: 3 });
  await old.frame({ messageType: 'receiptConfirm', inboxSeq: 3 });
  const tablet = await fixture.login('alice', { deviceID: 'new-one' });
  expect(await tablet.frame((frame) => frame.inboxSeq === 1 && frame.content !== undefined)).toMatchObject(
    body('sticker'),
  );
});
