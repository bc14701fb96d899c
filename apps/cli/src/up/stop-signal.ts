export interface StopSignal {
  signal: AbortSignal;
  dispose(): void;
}

/** A terminal, `npm` and the start script may each pass on the same Ctrl-C: within this time, milliseconds, they count as one. */
const SAME_MS = 500;

/** SIGINT or SIGTERM becomes an abort, of which `onStop` tells; the next one calls `onHurry`, to end at once. */
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
