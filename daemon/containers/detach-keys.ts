// Owns the reading of detach key sequences (`ctrl-p,ctrl-q`). Pure.
import { invalidArgument } from '../base/errors.ts';

const controls = 'abcdefghijklmnopqrstuvwxyz[\\]^_';

function byteOf(key: string): number | undefined {
  if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
  const [, control] = /^ctrl-(.)$/.exec(key) ?? [];
  if (control === '@') return 0;
  const at = control === undefined ? -1 : controls.indexOf(control);
  return at < 0 ? undefined : at + 1;
}

/** Bytes of the sequence; an empty text is Docker's default, ctrl-p ctrl-q. Throws invalid-argument. */
export function parseDetachKeys(text: string): Uint8Array {
  const keys = (text === '' ? 'ctrl-p,ctrl-q' : text).split(',');
  return Uint8Array.from(keys, (key) => {
    const byte = byteOf(key);
    if (byte === undefined) {
      throw invalidArgument(
        `Invalid detach keys (${text}) provided: "${key}" is neither one character nor ctrl- with a letter, @, [, \\, ], ^ or _`,
      );
    }
    return byte;
  });
}
