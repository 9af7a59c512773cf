// Owns the order of what a build says: stages that run side by side speak one after another, the first one live. Knows no instruction.

export class OrderedOutput<T> {
  readonly #write: (line: T) => void;
  readonly #held: (T[] | undefined)[];
  readonly #ended = new Set<number>();
  #front = 0;

  /** `count` speakers; the first one is at the front. */
  constructor(count: number, write: (line: T) => void) {
    this.#write = write;
    this.#held = Array.from({ length: count }, () => []);
  }

  say(speaker: number, line: T): void {
    if (speaker <= this.#front) this.#write(line);
    else this.#held[speaker]?.push(line);
  }

  /** The speaker has said everything; those behind it are heard as far as they have come. */
  end(speaker: number): void {
    this.#ended.add(speaker);
    while (this.#ended.has(this.#front)) {
      this.#front++;
      const lines = this.#held[this.#front] ?? [];
      this.#held[this.#front] = undefined;
      for (const line of lines) this.#write(line);
    }
  }
}
