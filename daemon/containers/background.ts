// Owns work that goes on behind an answer: nobody waits for it but the shutdown and tests. Its failures are logged, never lost.

import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

export class Background {
  readonly #log: Log;
  readonly #tasks = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  run(name: string, container: string, task: () => Promise<unknown>): void {
    const promise = task().then(
      () => undefined,
      (error: unknown) => this.#log.error({ err: error, container }, `${name}: ${messageOf(error)}`),
    );
    this.#tasks.add(promise);
    void promise.then(() => this.#tasks.delete(promise));
  }

  /** Resolves when what is under way now has ended; what is added meanwhile is not waited for. */
  async underWay(): Promise<void> {
    await Promise.all(this.#tasks);
  }

  /** Resolves when nothing is under way, what was added meanwhile included. */
  async settled(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }
}
