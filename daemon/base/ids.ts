// Owns identifiers: 64 hexadecimal digits, as Docker's. Knows nothing of what they name.
import { createHash, randomBytes } from 'node:crypto';

/** A new random id of 64 lower-case hexadecimal digits whose first 12 are not all decimal digits (as Docker: such a short id could be read as a number). */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!/^\d{12}/.test(id)) return id;
  }
}

/** The 12 digits that people see. */
export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/** `sha256:…` of bytes or text. */
export const sha256 = (data: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** Eight hexadecimal digits that stand for a data-root in every kernel name, so that two instances share none. */
export const instanceOf = (dataRoot: string): string => createHash('sha256').update(dataRoot).digest('hex').slice(0, 8);
