// Owns the writing of the outer tar of `docker save`: ustar headers for short ASCII names. Pure.
import { internal } from '../base/errors.ts';

const BLOCK = 512;

/** A header; sizes from 8 GiB on in base 256. `mtime` in seconds. */
export function tarHeader(name: string, size: number, mtime: number): Uint8Array {
  if (name.length > 99) throw internal(`name too long for the archive: ${name}`);
  const directory = name.endsWith('/');
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  block.write(name, 0, 'latin1');
  block.write(octal(directory ? 0o755 : 0o644, 8), 100, 'latin1');
  block.write(octal(0, 8), 108, 'latin1');
  block.write(octal(0, 8), 116, 'latin1');
  if (size < 8 ** 11) {
    block.write(octal(size, 12), 124, 'latin1');
  } else {
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write(octal(Math.max(0, mtime), 12), 136, 'latin1');
  block.write('        ', 148, 'latin1');
  block.write(directory ? '5' : '0', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** What fills the last block of a file. */
export const tarPadding = (size: number): Uint8Array => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

/** Two empty blocks end an archive. */
export const tarEnd = (): Uint8Array => Buffer.alloc(2 * BLOCK);
