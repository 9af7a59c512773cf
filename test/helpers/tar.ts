// Owns the writing (and plain reading) of tar archives for tests and for the first image: ustar with pax records, made byte
// by byte so that a test can also make a broken one. Unpacks nothing to disk.
import { Buffer } from 'node:buffer';

export interface TarEntry {
  /** As it stands in the archive: relative for a good one, anything for a hostile one. */
  readonly path: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';
  readonly data?: Uint8Array | string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly linkTarget?: string;
  readonly major?: number;
  readonly minor?: number;
  /** Seconds since 1970. */
  readonly mtime?: number;
  /** Extended attributes, written as SCHILY.xattr records. */
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
}

const block = 512;
const typeFlags = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const;

/** A fixed time, so that the same content has the same digest on every machine: 2024-01-01T00:00:00Z. */
export const fixedTime = 1704067200;

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;

const padded = (data: Uint8Array): Buffer => {
  const rest = data.length % block;
  return rest === 0 ? Buffer.from(data) : Buffer.concat([data, Buffer.alloc(block - rest)]);
};

const header = (path: Buffer, entry: TarEntry, flag: string, size: number): Buffer => {
  const out = Buffer.alloc(block);
  path.copy(out, 0, 0, 100);
  const mode = entry.mode ?? (entry.type === 'directory' ? 0o755 : 0o644);
  out.write(octal(mode, 8), 100);
  out.write(octal(entry.uid ?? 0, 8), 108);
  out.write(octal(entry.gid ?? 0, 8), 116);
  out.write(octal(size, 12), 124);
  out.write(octal(entry.mtime ?? fixedTime, 12), 136);
  out.write('        ', 148);
  out.write(flag, 156);
  Buffer.from(entry.linkTarget ?? '').copy(out, 157, 0, 100);
  out.write('ustar\x0000', 257, 'latin1');
  if (entry.type === 'character' || entry.type === 'block') {
    out.write(octal(entry.major ?? 0, 8), 329);
    out.write(octal(entry.minor ?? 0, 8), 337);
  }
  let sum = 0;
  for (const byte of out) sum += byte;
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return out;
};

/** One pax record, "LENGTH KEY=VALUE\n", whose length counts its own digits. */
const paxRecord = (key: string, value: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
};

const entryBlocks = (entry: TarEntry): Buffer[] => {
  const type = entry.type ?? 'file';
  const path = Buffer.from(type === 'directory' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path);
  const data = type === 'file' ? Buffer.from(entry.data ?? '') : Buffer.alloc(0);
  const records: Buffer[] = [];
  if (path.length > 100) records.push(paxRecord('path', path));
  const link = Buffer.from(entry.linkTarget ?? '');
  if (link.length > 100) records.push(paxRecord('linkpath', link));
  for (const [name, value] of Object.entries(entry.xattrs ?? {})) {
    records.push(paxRecord(`SCHILY.xattr.${name}`, Buffer.from(value as Uint8Array)));
  }
  const blocks: Buffer[] = [];
  if (records.length > 0) {
    const pax = Buffer.concat(records);
    blocks.push(header(Buffer.from('PaxHeaders/entry'), { path: '', mode: 0o644 }, 'x', pax.length), padded(pax));
  }
  blocks.push(header(path, entry, typeFlags[type], data.length));
  if (data.length > 0) blocks.push(padded(data));
  return blocks;
};

/** The whole archive with its end marker. Entries stand in the order given; nothing is added for missing parents. */
export const makeTar = (entries: readonly TarEntry[]): Buffer =>
  Buffer.concat([...entries.flatMap(entryBlocks), Buffer.alloc(2 * block)]);

export interface ReadEntry {
  readonly path: string;
  readonly flag: string;
  readonly mode: number;
  readonly linkTarget: string;
  readonly data: Buffer;
}

const text = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString('utf8');
};

/**
 * Reads an uncompressed archive whole: what `docker save` or `export` wrote, in a test. Knows pax `path`, `linkpath` and
 * GNU long names.
 */
export const readTar = (archive: Buffer): ReadEntry[] => {
  const entries: ReadEntry[] = [];
  let offset = 0;
  let longPath: string | undefined;
  let longLink: string | undefined;
  while (offset + block <= archive.length) {
    const head = archive.subarray(offset, offset + block);
    if (head.every((byte) => byte === 0)) break;
    const size = Number.parseInt(text(head.subarray(124, 136)).trim() || '0', 8);
    const flag = String.fromCharCode(head[156] ?? 0);
    const data = archive.subarray(offset + block, offset + block + size);
    offset += block + Math.ceil(size / block) * block;
    if (flag === 'x') {
      for (const match of data.toString('utf8').matchAll(/^\d+ (path|linkpath)=(.*)$/gm)) {
        if (match[1] === 'path') longPath = match[2];
        else longLink = match[2];
      }
      continue;
    }
    if (flag === 'L' || flag === 'K') {
      if (flag === 'L') longPath = text(data);
      else longLink = text(data);
      continue;
    }
    if (flag === 'g') continue;
    const prefix = head.subarray(257, 262).toString() === 'ustar' ? text(head.subarray(345, 500)) : '';
    const name = text(head.subarray(0, 100));
    entries.push({
      path: longPath ?? (prefix === '' ? name : `${prefix}/${name}`),
      flag: flag === '\0' ? '0' : flag,
      mode: Number.parseInt(text(head.subarray(100, 108)).trim(), 8),
      linkTarget: longLink ?? text(head.subarray(157, 257)),
      data,
    });
    longPath = undefined;
    longLink = undefined;
  }
  return entries;
};
