// Owns the recognition of detach keys in what was typed. The daemon acts on them; the client only has to know why the stream ended. Pure.
import { UsageError } from './command.ts';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** `ctrl-p,ctrl-q` or `a,b` to bytes. Throws UsageError for another form. */
export function parseDetachKeys(text: string): number[] {
  return text.split(',').map((key) => {
    if (key.length === 1) {
      return key.charCodeAt(0);
    }
    const code = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1]?.toUpperCase().charCodeAt(0);
    if (code === undefined) {
      throw new UsageError(`invalid detach keys (${text}): expected letters and ctrl-LETTER, separated by commas`);
    }
    return code - 64;
  });
}

/** Watches typed bytes for the sequence. */
export class DetachWatcher {
  readonly #keys: readonly number[];
  #matched = 0;
  /** Whether the sequence was typed. */
  seen = false;

  constructor(keys: string) {
    this.#keys = parseDetachKeys(keys === '' ? DEFAULT_DETACH_KEYS : keys);
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#matched = byte === this.#keys[this.#matched] ? this.#matched + 1 : byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === this.#keys.length) {
        this.seen = true;
        this.#matched = 0;
      }
    }
  }
}
