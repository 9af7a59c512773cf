// Owns the waits of restart policies. Decides nothing: restart-policy.ts says whether and after which wait.
import type { Engine } from './engine.ts';

/** Runs `start` under the container's lock after the wait. A stop, a kill or a removal cancels it. */
export function scheduleRestart(engine: Engine, id: string, delayMs: number, start: () => Promise<void>): void {
  const timer = setTimeout(() => {
    // The length stays known: the next wait doubles it.
    engine.restarts.set(id, { delayMs });
    if (engine.closing.value) return;
    engine.background.run('restart by policy', id, async () => {
      await engine.swept.promise;
      await engine.lock.run(id, start);
    });
  }, delayMs);
  engine.restarts.set(id, { delayMs, timer });
}

/** Ends the wait, if there is one, and forgets the back-off. */
export function cancelRestart(engine: Engine, id: string): void {
  clearTimeout(engine.restarts.get(id)?.timer);
  engine.restarts.delete(id);
}
