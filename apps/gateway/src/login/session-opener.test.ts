import { expect, test } from '@jest/globals';
import type { Bus } from '@huizhi/runtime';
import type { Connection } from '../connection/connection.js';

import type { Sessions } from '../session/sessions.js';
import { KnownUsers } from './known-users.js';
import { SessionOpener, type OpenerSettings } from './session-opener.js';

test('does not try again for who hung up during the pause: the attempt would kick a login elsewhere', async () => {
  const connection = { state: 'opening' } as unknown as Connection;
  let asked = 0;
  const control = {
    request: (): Promise<never> => {
      asked += 1;
      // After this attempt has failed and the connection was looked at, while the next one waits.
      setTimeout(() => Object.assign(connection, { state: 'closing' }), 0);
      return Promise.reject(new Error('nobody answers'));
    },
  };
  const settings = { OFFLINE_LANES: 16, LOGIN_BUDGET: 5_000 } as OpenerSettings;
  const now = (): number => performance.now();
  const none = {} as unknown;
  const opener = new SessionOpener('g', none as Bus, control, none as Sessions, new KnownUsers(), settings, [], now);
  const identity = { user: 'alice', device: 'phone', deviceType: undefined, version: 2 };
  await expect(opener.open(identity, { expiresAt: Infinity }, connection)).rejects.toMatchObject({
    error: 'unavailable',
  });
  expect(asked).toBe(1);
});
