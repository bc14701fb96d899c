import { expect, test } from '@jest/globals';
import { upSchemas } from '@huizhi/protocol';
import { routes } from './router.js';

test('has a row for every command of the protocol, and only the login needs no session', () => {
  expect(Object.keys(routes).sort()).toEqual(Object.keys(upSchemas).sort());
  const fresh = Object.entries(routes).flatMap(([name, { state }]) => (state === 'fresh' ? [name] : []));
  expect(fresh).toEqual(['login']);
});
