// Owns a bound on how many things run at a time that may change while they run (SIGHUP). Knows nothing of what they are.

export class Gate {
  readonly #limit: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Whether `run` would begin at once. */
  get open(): boolean {
    return this.#running < this.#limit();
  }

  /** Runs `fn` when its turn has come, in the order of the calls. Throws the signal's reason when that comes first. */
  async run<T>(signal: AbortSignal, fn: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.open && this.#waiting.length === 0) this.#running++;
    else await this.#turn(signal);
    try {
      return await fn();
    } finally {
      this.#running--;
      while (this.open && this.#waiting.length > 0) {
        this.#running++;
        this.#waiting.shift()?.();
      }
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const give = (): void => {
      const at = this.#waiting.indexOf(resolve);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(signal.reason);
    };
    this.#waiting.push(resolve);
    signal.addEventListener('abort', give, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', give);
    }
  }
}
