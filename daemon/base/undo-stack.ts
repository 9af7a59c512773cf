// Owns the undoing of a half-done sequence of steps. Knows nothing of what the steps are.

type Inverse = () => void | Promise<void>;

/** Steps push their inverse; a failure runs them in reverse order, each one even when another fails. */
export class UndoStack {
  #steps: { readonly name: string; readonly inverse: Inverse }[] = [];

  push(name: string, inverse: Inverse): void {
    this.#steps.push({ name, inverse });
  }

  /** The sequence has succeeded: nothing is to be undone. */
  commit(): void {
    this.#steps = [];
  }

  /** Runs every inverse, last first. `report` hears of each that failed; none stops the others. */
  async unwind(report: (name: string, error: unknown) => void): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.inverse();
      } catch (error) {
        report(step.name, error);
      }
    }
  }
}
