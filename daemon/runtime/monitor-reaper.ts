// Owns the ending of monitor processes: they are this process's children, and nobody else waits for them. No polling: SIGCHLD.
export type Reap = (pid: number) => { readonly code: number; readonly signal: number } | undefined;

export class MonitorReaper {
  readonly #pids = new Set<number>();
  readonly #reap: Reap;
  readonly #onSignal = (): void => this.#look();

  /** `reap`: waitpid with WNOHANG. */
  constructor(reap: Reap) {
    this.#reap = reap;
  }

  /** Waits for a child from here on. */
  add(pid: number): void {
    if (this.#pids.size === 0) process.on('SIGCHLD', this.#onSignal);
    this.#pids.add(pid);
  }

  /** Number of monitors that have not ended yet. */
  get size(): number {
    return this.#pids.size;
  }

  #look(): void {
    for (const pid of this.#pids) {
      let ended: boolean;
      try {
        ended = this.#reap(pid) !== undefined;
      } catch {
        // Not ours any more: somebody has waited for it.
        ended = true;
      }
      if (ended) this.#pids.delete(pid);
    }
    // The listener keeps no process alive by itself, but it is of no use without children.
    if (this.#pids.size === 0) process.off('SIGCHLD', this.#onSignal);
  }
}
