// Owns who waits for the end of a container. Knows no process: exit.ts and remove.ts tell it.
import type { WaitCondition } from './types.ts';

export interface WaitResult {
  readonly statusCode: number;
  readonly error?: string;
}

interface Waiter {
  readonly condition: WaitCondition;
  readonly resolve: (result: WaitResult) => void;
}

export class Waiters {
  readonly #byContainer = new Map<string, Set<Waiter>>();

  /** Registered when this returns. `not-running` and `next-exit` resolve at the next exit, all at the removal; rejects when `cancel` is aborted. */
  add(id: string, condition: WaitCondition, cancel?: AbortSignal): Promise<WaitResult> {
    const { promise, resolve, reject } = Promise.withResolvers<WaitResult>();
    const waiter: Waiter = { condition, resolve };
    const waiters = this.#byContainer.get(id) ?? new Set();
    this.#byContainer.set(id, waiters.add(waiter));
    if (cancel !== undefined) {
      const abort = (): void => {
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#byContainer.get(id) === waiters) this.#byContainer.delete(id);
        reject(cancel.reason);
      };
      if (cancel.aborted) abort();
      else {
        cancel.addEventListener('abort', abort, { once: true });
        void promise.then(
          () => cancel.removeEventListener('abort', abort),
          () => undefined,
        );
      }
    }
    return promise;
  }

  exited(id: string, result: WaitResult): void {
    const waiters = this.#byContainer.get(id);
    if (waiters === undefined) return;
    for (const waiter of waiters) {
      if (waiter.condition === 'removed') continue;
      waiters.delete(waiter);
      waiter.resolve(result);
    }
    if (waiters.size === 0) this.#byContainer.delete(id);
  }

  removed(id: string, result: WaitResult): void {
    const waiters = this.#byContainer.get(id);
    this.#byContainer.delete(id);
    for (const waiter of waiters ?? []) waiter.resolve(result);
  }
}
