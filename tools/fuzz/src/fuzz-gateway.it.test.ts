import { DevEnv } from '@huizhi/dev-env';
import { expect, test } from '@jest/globals';
import { seeds } from './corpus.js';
import { fuzzGateway, fuzzSystem, type GatewayRun } from './fuzz-gateway.js';

const AT_MOST_MS = 30_000;
const HOSTILE_MS = 12_000;

test('fuzzSystem() reports the end of a gateway and the inputs sent shortly before as findings', async () => {
  const system = await DevEnv.start({
    env: { gateway: { HZ_LOGIN_DEADLINE: '2s', HZ_LOGIN_ATTEMPTS: '10000' } },
  });
  const begun = performance.now();
  let killed = false;
  const isOver = ({ connections }: GatewayRun): boolean => {
    if (connections > 0 && !killed) killed = process.kill(system.gateway().pid, 'SIGKILL');
    return performance.now() - begun > AT_MOST_MS;
  };
  try {
    const { findings } = await fuzzSystem(system, { seed: 1, corpus: seeds(), isOver });
    expect(findings).toContainEqual(expect.objectContaining({ why: expect.stringContaining('gateway-1 ended') }));
    const sent = findings.filter(({ why, input }) => why.endsWith('before gateway-1 ended') && input.length > 0);
    expect(sent.length).toBeGreaterThan(0);
  } finally {
    await system.stop();
  }
});

test('hostile connections in every mode break no invariant and do not affect normal sessions', async () => {
  let until = Infinity;
  const run = await fuzzGateway({
    seed: 1,
    corpus: seeds(),
    print: () => undefined,
    isOver: ({ connections }) => {
      if (connections > 0) until = Math.min(until, performance.now() + HOSTILE_MS);
      return performance.now() > until;
    },
  });
  expect(run.findings).toEqual([]);
  expect(Object.keys(run.speeches).sort()).toEqual(['WebSocket', 'base64', 'hz', 'json']);
  expect(run.fates['closed by the server']).toBeGreaterThan(0);
  expect(run.receipted).toBeGreaterThan(0);
  // The test waits for the last connections, and the gateway closes one that does not read only after a long silence.
}, 120_000);
