import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { eventually } from '@huizhi/dev-env';
import { GatewayFixture } from '../testing/gateway-fixture.js';

const REFUSED = 200;

const fixture = GatewayFixture.forEachTest({ HZ_FAILED_LOGINS_PER_ADDRESS: '1000000' });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('connections are garbage-collected when their logins were refused and their sockets have closed', async () => {
  const open = fixture.gateway['connections'];
  const refs = new Set<WeakRef<object>>();
  for (let n = 0; n < REFUSED; n++) {
    const client = await fixture.connect();
    await eventually('the connection', () => open.size > 0);
    for (const connection of open) refs.add(new WeakRef(connection));
    client.send({ messageType: 'login', fromUserID: `nobody${n}`, versionCode: 2, token: 'a.b.c' });
    await client.closed();
    await eventually('its end', () => open.size === 0);
  }
  expect(refs.size).toBe(REFUSED);
  expect(fixture.gateway.accepted).toBe(0);
  // The engine or the timing wheel may hold the last ones a little longer. A leak would hold all of them.
  await eventually('the garbage collection of the connections', () => {
    collectGarbage();
    return [...refs].filter((ref) => ref.deref() !== undefined).length <= 2;
  });
});
