type Listeners<Events extends Record<keyof Events, unknown[]>> = {
  [K in keyof Events]?: Set<(...args: Events[K]) => void>;
};

/** A typed emitter. An error of a listener does not affect other listeners or the emitter. */
export class Emitter<Events extends Record<keyof Events, unknown[]>> {
  private readonly listeners: Listeners<Events> = {};

  /** @param onListenerError called when a listener throws; must not throw itself */
  constructor(private readonly onListenerError: (error: unknown, event: keyof Events) => void) {}

  /** @returns a function that ends the subscription; further calls have no effect */
  on<K extends keyof Events>(event: K, listener: (...args: Events[K]) => void): () => void {
    // A wrapper per subscription, so that a function subscribed twice is called twice and can be removed once.
    const own = (...args: Events[K]): void => listener(...args);
    const set = (this.listeners[event] ??= new Set());
    set.add(own);
    return () => {
      set.delete(own);
    };
  }

  emit<K extends keyof Events>(event: K, ...args: Events[K]): void {
    for (const listener of [...(this.listeners[event] ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        this.onListenerError(error, event);
      }
    }
  }
}
