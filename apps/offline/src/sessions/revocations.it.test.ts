import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OfflineFixture, LANES, until } from '../testing/offline-fixture.js';
import { Revoker } from './revoker.js';

const HOUR = 3_600;
const LEEWAY_S = 30;
const now = (): number => Math.floor(Date.now() / 1_000);

describe('revocations', () => {
  let fixture: OfflineFixture;
  let revoker: Revoker;
  beforeAll(async () => {
    fixture = await OfflineFixture.start();
    await fixture.instance('offline-1', { tokenLeewayMs: LEEWAY_S * 1_000 });
    revoker = new Revoker(fixture.bus, LANES);
  }, 30_000);
  afterAll(() => fixture.stop(), 30_000);

  test('end every session of the user on every gateway, and no session of another user', async () => {
    const [first, second] = [fixture.gateway(), fixture.gateway()];
    const phone = await first.open('ann', 'phone', 1, { issuedAt: now() });
    const tablet = await second.open('ann', 'tablet', 2, { issuedAt: now() });
    await first.open('bob', 'phone', 3, { issuedAt: now() });
    const { sessions, tokensValidFrom } = await revoker.revoke('ann');
    expect(sessions).toBe(2);
    expect(tokensValidFrom).toBeGreaterThan(now() - 5);
    await until(() => first.revoked.length === 1 && second.revoked.length === 1);
    expect([first.revoked, second.revoked]).toEqual([[phone.session], [tablet.session]]);
    fixture.message.say('bob', 'ann', 'for later');
    await until(async () => (await fixture.inboxOf('ann')).length === 1);
    expect([first.told, second.told, first.kicked]).toEqual([[], [], []]);
  });

  test('refuse older tokens and tokens without an issue time, and keep the entries for a newer token', async () => {
    const gateway = fixture.gateway();
    fixture.message.say('bob', 'cyd', 'hello');
    const { tokensValidFrom } = await revoker.revoke('cyd');
    await expect(gateway.open('cyd', 'phone', 1, { issuedAt: tokensValidFrom - 1 })).rejects.toThrow('tokenRevoked');
    await expect(gateway.open('cyd', 'phone', 2, { issuedAt: 0 })).rejects.toThrow('tokenRevoked');
    await until(async () => (await fixture.inboxOf('cyd')).length === 1);
    expect(await gateway.open('cyd', 'phone', 3, { issuedAt: tokensValidFrom })).toMatchObject({ cursor: 0 });
    // A login without a token has none to revoke: its session ended, but the device may log in again.
    expect(await gateway.open('cyd', 'tablet', 4)).toMatchObject({ epoch: 1 });
  });

  test("end a token that was issued ahead of the database's clock by at most the leeway, used or not", async () => {
    const gateway = fixture.gateway();
    const before = now();
    const { tokensValidFrom } = await revoker.revoke('hal');
    expect(tokensValidFrom).toBeGreaterThan(before + LEEWAY_S);
    expect(tokensValidFrom).toBeLessThanOrEqual(now() + LEEWAY_S + 1);
    const ahead = gateway.open('hal', 'phone', 1, { issuedAt: before + LEEWAY_S });
    await expect(ahead).rejects.toThrow('tokenRevoked');
    await gateway.open('hal', 'phone', 2, { issuedAt: tokensValidFrom });
  });

  test("end a token that a device has logged in with, however far ahead of the database's clock it was issued", async () => {
    const gateway = fixture.gateway();
    const issuedAt = now() + HOUR;
    await gateway.open('ivy', 'phone', 1, { issuedAt });
    // A later login with an older token must not hide it.
    await gateway.open('ivy', 'phone', 2, { issuedAt: now() });
    const { tokensValidFrom } = await revoker.revoke('ivy');
    expect(tokensValidFrom).toBe(issuedAt + 1);
    await expect(gateway.open('ivy', 'phone', 3, { issuedAt })).rejects.toThrow('tokenRevoked');
    await expect(gateway.open('ivy', 'other', 4, { issuedAt })).rejects.toThrow('tokenRevoked');
    await gateway.open('ivy', 'phone', 5, { issuedAt: tokensValidFrom });
  });

  test('refuse the requests of a session whose gateway missed the revocation, and name the reason again', async () => {
    const gateway = fixture.gateway();
    const dan = await gateway.open('dan', 'phone', 1, { issuedAt: now() });
    fixture.message.say('bob', 'dan', 'hello');
    await until(() => gateway.told.length === 1);
    await revoker.revoke('dan');
    // One message each for attach and cursor, as if the first message of the revocation had been lost.
    gateway.attach(dan);
    gateway.cursor(dan, 1);
    await until(() => gateway.revoked.length === 3);
    expect((await gateway.fetch(dan)).head.error).toBe('tokenRevoked');
    expect(await fixture.cursorOf('dan')).toBe(0);
    const again = await gateway.open('dan', 'phone', 2, { issuedAt: now() + HOUR });
    expect(again.epoch).toBe(dan.epoch + 2);
    gateway.cursor(again, 1);
    await until(() => gateway.confirmed.get(again.session) === 1);
    gateway.attach(dan);
    await until(() => gateway.revoked.length === 4);
    expect(gateway.kicked).toEqual([]);
  });

  test('are still in force after a change of owner, also for a user that has never logged in', async () => {
    const gateway = fixture.gateway();
    const eve = await gateway.open('eve', 'phone', 1, { issuedAt: now() });
    const { tokensValidFrom } = await revoker.revoke('eve');
    const { tokensValidFrom: newUserValidFrom } = await revoker.revoke('stranger');
    await until(() => gateway.revoked.length === 1);
    const [owner] = fixture.all;
    await fixture.instance('offline-2');
    await owner?.stop();
    await until(async () => (await fixture.owners()).every((name) => name === 'offline-2'));
    // The lane row names the new owner before that instance listens.
    await until(() => {
      gateway.attach(eve);
      return gateway.revoked.length >= 2;
    });
    await expect(gateway.open('eve', 'phone', 2, { issuedAt: tokensValidFrom - 1 })).rejects.toThrow('tokenRevoked');
    await expect(gateway.open('stranger', 'phone', 3, { issuedAt: newUserValidFrom - 1 })).rejects.toThrow(
      'tokenRevoked',
    );
    await gateway.open('stranger', 'phone', 4, { issuedAt: newUserValidFrom });
  }, 20_000);

  test('end all sessions of older tokens that were opened by concurrent logins', async () => {
    const gateway = fixture.gateway();
    const old = now();
    const opened: number[] = [];
    const attempts = Array.from({ length: 30 }, async (_, i) => {
      if (i === 10 || i === 20) await revoker.revoke('fae');
      const session = await gateway
        .open('fae', `device-${i}`, 100 + i, { issuedAt: old })
        .catch((error: Error) => error.message);
      if (typeof session === 'string') expect(session).toBe('tokenRevoked');
      else opened.push(session.session);
    });
    await Promise.all(attempts);
    await revoker.revoke('fae');
    await until(() => opened.every((session) => gateway.revoked.includes(session)));
    fixture.message.say('bob', 'fae', 'hello');
    await until(async () => (await fixture.inboxOf('fae')).length === 1);
    expect(gateway.told).toEqual([]);
  });

  test('fail as unavailable in bounded time when no owner answers', async () => {
    const lonely = new Revoker(fixture.bus, 1_000, 200);
    // With another number of lanes, the request goes to a subject without an owner.
    await expect(lonely.revoke('gil')).rejects.toMatchObject({ error: 'unavailable' });
  });
});
