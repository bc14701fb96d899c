import type { WakeSignals } from './wake.js';

interface Source {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

interface PageGlobals extends Source {
  document?: Source & { visibilityState: string };
}

/** `offline` is included: it does not prove that the connection is dead, so a heartbeat checks. */
const WINDOW_EVENTS = ['online', 'offline', 'focus', 'pageshow'];
const DOCUMENT_EVENTS = ['visibilitychange', 'freeze', 'resume'];

/** Page events after which timers may have been delayed or the network may have changed. Workers have some of them. */
export const browserWakeSignals: WakeSignals = (wake) => {
  const page = globalThis as unknown as PageGlobals;
  const { document } = page;
  // A page that becomes hidden is no reason to check.
  const seen = (): void => {
    if (document?.visibilityState !== 'hidden') wake();
  };
  const pairs: [Source, string, () => void][] = [
    ...WINDOW_EVENTS.map((type): [Source, string, () => void] => [page, type, wake]),
    ...(document ? DOCUMENT_EVENTS : []).map((type): [Source, string, () => void] => [
      document!,
      type,
      type === 'visibilitychange' ? seen : wake,
    ]),
  ];
  for (const [source, type, listener] of pairs) source.addEventListener(type, listener);
  return () => {
    for (const [source, type, listener] of pairs) source.removeEventListener(type, listener);
  };
};
