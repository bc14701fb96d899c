import type { WakeSignals } from './wake.js';

interface Source {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

interface PageGlobals extends Source {
  document?: Source & { visibilityState: string };
}

/** `offline` as well: it does not prove that the connection is dead, and a heartbeat finds out. */
const WINDOW_EVENTS = ['online', 'offline', 'focus', 'pageshow'];
const DOCUMENT_EVENTS = ['visibilitychange', 'freeze', 'resume'];

/** The events of a page that say that it was, or is about to be, held up, or that its network changed. A worker has some of them. */
export const browserWakeSignals: WakeSignals = (wake) => {
  const page = globalThis as unknown as PageGlobals;
  const { document } = page;
  // The moment of being hidden is no reason to act.
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
