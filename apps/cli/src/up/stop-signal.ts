export interface StopSignal {
  signal: AbortSignal;
  dispose(): void;
}

/**
 * The terminal, `npm` and the start script may each forward the same Ctrl-C. Signals within this time in ms count as
 * one.
 */
const SAME_MS = 500;

/** The first SIGINT or SIGTERM calls `onStop` and aborts `signal`; the next one calls `onHurry`, to end at once. */
export function stopSignal(onStop: () => void, onHurry: () => void): StopSignal {
  const controller = new AbortController();
  let last = 0;
  const handler = (): void => {
    const before = last;
    last = performance.now();
    if (!controller.signal.aborted) {
      onStop();
      controller.abort(new Error('interrupted'));
    } else if (last - before > SAME_MS) onHurry();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}
