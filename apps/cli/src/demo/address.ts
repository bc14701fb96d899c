import type { Address } from '@huizhi/client';
import type { DemoTarget } from './target.js';

/** Address of a target for the SDK. */
export const addressOf = ({ host, port, ca, mode }: DemoTarget): Address =>
  ca === '' ? { host, port, mode, tls: false } : { host, port, mode, ca };
