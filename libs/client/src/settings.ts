import { PROTOCOL_VERSION } from '@huizhi/protocol/client';
import { addressOf, serverOf, type Address } from './address.js';
import { checkOptions } from './option-checks.js';
import type { Bounds, ClientOptions, Timings } from './options.js';

const defaultTimings: Timings = {
  connectMs: 10_000,
  loginMs: 10_000,
  reconnect: { baseMs: 1_000, maxMs: 30_000 },
  stableMs: 30_000,
  answerMs: 35_000,
  resend: { baseMs: 1_000, maxMs: 10_000 },
  deadlineMs: 60_000,
  receiptMs: 20,
  confirmMs: 3_000,
  historyMs: 10_000,
};

const defaultBounds: Bounds = { outbox: 1000, inbox: 5000, requests: 64 };

export interface Settings {
  readonly address: Address;
  /** `host:port`. */
  readonly server: string;
  readonly user: string;
  readonly deviceID: string;
  readonly deviceType: string;
  readonly versionCode: number;
  readonly token: () => Promise<string> | string;
  readonly timings: Readonly<Timings>;
  readonly bounds: Readonly<Bounds>;
}

/** @throws TypeError that names the invalid option */
export function toSettings(options: ClientOptions): Settings {
  checkOptions(options);
  const { token } = options;
  const address = typeof options.address === 'string' ? addressOf(options.address) : options.address;
  return Object.freeze({
    address,
    server: serverOf(address),
    user: options.user,
    deviceID: options.deviceID,
    deviceType: options.deviceType ?? 'sdk',
    versionCode: options.versionCode ?? PROTOCOL_VERSION,
    token: typeof token === 'string' ? () => token : token,
    timings: Object.freeze({ ...defaultTimings, ...given(options.timings) }),
    bounds: Object.freeze({ ...defaultBounds, ...given(options.bounds) }),
  });
}

/** Omits undefined values, so that they do not replace defaults. */
function given<T extends object>(options: Partial<T> | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;
}
