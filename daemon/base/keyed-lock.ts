// Owns mutual exclusion by key (a container id). There is no global lock in the engine.

/** Runs functions of one key one after another, in the order of the calls; different keys do not wait for each other. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Resolves or rejects as `fn` does. Not reentrant: `fn` must not take the same key again. */
  async run<T>(key: string, fn: () => T | Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    if (before !== undefined) await before;
    try {
      return await fn();
    } finally {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    }
  }
}
