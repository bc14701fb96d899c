import { Constellation } from '@huizhi/constellation';
import { expect, test } from '@jest/globals';
import { seeds } from './corpus.js';
import { fuzzSystem, type GatewayRun } from './fuzz-gateway.js';

const AT_MOST_MS = 30_000;

test('a gateway that ends is a finding, and so is what was sent to it shortly before', async () => {
  const system = await Constellation.start({ env: { gateway: { LOGIN_DEADLINE: '2s', LOGIN_ATTEMPTS: '10000' } } });
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
