import { expect, test } from '@jest/globals';
import { Health } from './health.js';

test('Health is ready when it was opened and every dependency is ok', () => {
  const health = new Health();
  let bus = 'not connected';
  health.addReadinessCheck('bus', () => bus);
  health.addReadinessCheck('database', () => 'ok');
  expect(health.readiness().dependencies).toEqual({
    bus: { ok: false, reason: 'not connected' },
    database: { ok: true },
    service: { ok: false, reason: 'starting' },
  });
  health.open();
  bus = 'ok';
  expect(health.readiness()).toEqual({ status: 'ready', dependencies: { bus: { ok: true }, database: { ok: true } } });
  health.markUnready('stopping');
  expect(health.readiness().status).toBe('not-ready');
});

test('a check that throws gives a reason and does not crash', () => {
  const health = new Health();
  health.open();
  health.addReadinessCheck('odd', () => {
    throw new Error('boom');
  });
  expect(health.readiness().dependencies['odd']).toEqual({ ok: false, reason: 'the check failed: boom' });
});

test('Health is alive until a liveness check fails, whether ready or not', () => {
  const health = new Health();
  let writer = 'ok';
  health.addReadinessCheck('bus', () => 'not connected');
  health.addLivenessCheck('writer', () => writer);
  expect(health.liveness()).toEqual({ status: 'alive' });
  writer = 'does not come back';
  expect(health.liveness()).toEqual({ status: 'stuck', reasons: { writer: 'does not come back' } });
});
