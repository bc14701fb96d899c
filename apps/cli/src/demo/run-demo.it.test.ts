import { DevEnv } from '@huizhi/dev-env';
import { expect, test } from '@jest/globals';
import { runDemo } from './run-demo.js';

test.each([
  ['requires tokens', 'jwt'],
  ['requires no tokens', 'open'],
])('every step succeeds on a system that %s', async (_, HZ_AUTH) => {
  const system = await DevEnv.start({ env: { gateway: { HZ_AUTH } } });
  const lines: string[] = [];
  try {
    const target = { ...system.address, open: HZ_AUTH === 'open', token: (user: string) => system.token(user) };
    const { failed } = await runDemo(target, (line) => lines.push(line));
    expect([failed, lines]).toEqual([0, expect.arrayContaining(['step ok login'])]);
  } finally {
    await system.stop();
  }
});
