import type { Address } from '@huizhi/client';
import type { DemoTarget } from './run-demo.js';

/** Address of a target for the SDK. */
export const addressOf = ({ host, port, ca, mode }: DemoTarget): Address =>
  ca === '' ? { host, port, mode, tls: false } : { host, port, mode, ca };
