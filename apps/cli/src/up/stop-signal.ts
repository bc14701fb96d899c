export interface StopSignal {
  signal: AbortSignal;
  dispose(): void;
}

/**
 * SIGINT and SIGTERM become one abort. Further ones are ignored, since a terminal and `npm` may both send us Ctrl-C: every
 * step of stopping is bounded, so waiting is safe.
 */
export function stopSignal(onStop: () => void): StopSignal {
  const controller = new AbortController();
  const handler = (): void => {
    if (controller.signal.aborted) return;
    onStop();
    controller.abort(new Error('interrupted'));
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
