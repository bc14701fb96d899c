import { expect, test } from '@jest/globals';
import { counter, gauge, histogram, metricsRegistry } from './metrics.js';

test('a second declaration of a name returns the same metric', async () => {
  const about = { name: 'hz_test_total', help: 'x', labels: { outcome: ['ok', 'failed'] } } as const;
  counter(about).inc({ outcome: 'ok' });
  counter(about).inc({ outcome: 'ok' }, 2);
  expect(await metricsRegistry.metrics()).toContain('hz_test_total{outcome="ok"} 3');
});

test('a gauge is read at each scrape, and a histogram counts', async () => {
  let level = 1;
  gauge({ name: 'hz_test_level', help: 'x' }, () => level);
  level = 7;
  histogram({ name: 'hz_test_seconds', help: 'x' }).observe(0.003);
  const text = await metricsRegistry.metrics();
  expect(text).toContain('hz_test_level 7');
  expect(text).toContain('hz_test_seconds_bucket{le="0.004"} 1');
});
