import type { Address } from '@huizhi/client';
import type { DemoTarget } from './run-demo.js';

/** Where and how the SDK reaches a target. */
export const addressOf = ({ host, port, ca, mode }: DemoTarget): Address =>
  ca === '' ? { host, port, mode, tls: false } : { host, port, mode, ca };
