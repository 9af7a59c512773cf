// Owns COPY and ADD: which files of a source tree go where in the new layer, and the digest that the cache compares. It decides; the addon
// places. Every path of a Dockerfile is resolved beneath the root it belongs to.
import { basename } from 'node:path';
import { type Placement, readInRoot, SystemError, statInRoot, type TreeEntry } from '../../addon/index.ts';
import { EngineError, invalidArgument } from '../base/errors.ts';
import { sha256 } from '../base/ids.ts';
import { MAX_ACCOUNT_FILE, MAX_ID, parseGroup, parsePasswd } from '../runtime/user.ts';
import { cleanPath, Exclusions, hasWildcard } from './patterns.ts';
import { DIRECTORY, type Found, kindOf, REGULAR, type SourceTree, SYMLINK } from './source-tree.ts';

/** A COPY with its variables put in. */
export interface CopyWish {
  readonly keyword: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly destination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly parents: boolean;
  readonly exclude: readonly string[];
}

/** What one source pattern has found. */
export interface CopySource {
  readonly tree: SourceTree;
  readonly found: Found;
  /** Of COPY --parents: where the path that is kept begins; undefined without it. */
  readonly kept: string | undefined;
  /** An unpacked archive: its owners stay, and its contents go into the destination. */
  readonly archive: boolean;
}

const failed = (keyword: string, reason: string): EngineError => invalidArgument(`${keyword} failed: ${reason}`);

/** Looks the sources up. Throws invalid-argument in Docker's words for one that is missing. */
export async function findSources(wish: CopyWish, tree: SourceTree, fromImage: boolean): Promise<CopySource[]> {
  const result: CopySource[] = [];
  for (const source of wish.sources) {
    const [before, behind] = splitPivot(source);
    const path = behind === undefined ? source : `${before}/${behind}`;
    if (!fromImage && leadsOut(path))
      throw failed(wish.keyword, `forbidden path outside the build context: ${source} ()`);
    const found = await tree.find(path);
    if (found.length === 0) {
      if (hasWildcard(path)) throw failed(wish.keyword, 'no source files were specified');
      const where = fromImage ? 'file not found' : 'file not found in build context or excluded by .dockerignore';
      throw failed(wish.keyword, `${where}: stat ${cleanPath(path)}: file does not exist`);
    }
    const prefix = cleanPath(behind === undefined ? '' : before);
    for (const each of found) {
      const kept = wish.parents ? each.path.slice(prefix === '' ? 0 : prefix.length + 1) : undefined;
      result.push({ tree, found: each, kept, archive: false });
    }
  }
  return result;
}

/** `a/./b` of --parents: what is before the mark is not kept. */
function splitPivot(source: string): readonly [string, string | undefined] {
  const at = source.indexOf('/./');
  return at < 0 ? [source, undefined] : [source.slice(0, at), source.slice(at + 3)];
}

function leadsOut(path: string): boolean {
  let depth = 0;
  for (const part of path.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

const inDirectory = (directory: string, path: string): string => (directory === '' ? path : `${directory}/${path}`);

/** Entries below a source that are wanted. */
function wanted(source: CopySource, exclude: Exclusions): readonly TreeEntry[] {
  const { entries } = source.found;
  if (exclude.empty) return entries;
  return entries.filter((entry) => entry.path === '' || !exclude.excludes(entry.path));
}

/** `file:…`, `dir:…` or `multi:…` with the digest of everything that a copy brings: names, kinds, modes, contents; no times. */
export async function contentDigest(wish: CopyWish, sources: readonly CopySource[]): Promise<string> {
  const exclude = new Exclusions(wish.exclude);
  const items: string[] = [];
  for (const source of sources) {
    const { tree, found } = source;
    const entries = wanted(source, exclude);
    const path = (entry: TreeEntry): string => inDirectory(found.path, entry.path).replace(/\/$/, '');
    const files = entries.filter((entry) => kindOf(entry) === REGULAR);
    const digests = await tree.digests(files.map(path));
    const [top] = found.entries;
    const single = top !== undefined && kindOf(top) !== DIRECTORY;
    items.push(`source ${source.kept ?? (single ? basename(found.path) : '')} ${source.archive}`);
    for (const entry of entries) {
      const content = kindOf(entry) === REGULAR ? digests.get(path(entry)) : entry.link;
      items.push(
        `${entry.path} ${entry.mode.toString(8)} ${source.archive ? `${entry.uid}:${entry.gid} ` : ''}${content}`,
      );
    }
  }
  const [only] = sources;
  const top = only?.found.entries[0];
  const kind = sources.length > 1 || top === undefined ? 'multi' : kindOf(top) === DIRECTORY ? 'dir' : 'file';
  return `${kind}:${sha256(items.join('\n')).slice('sha256:'.length)}`;
}

/** Placements from one tree. */
export interface CopyGroup {
  readonly tree: SourceTree;
  readonly keepOwners: boolean;
  readonly files: readonly Placement[];
}

/** Whether a destination is a directory by how it is written. */
const writtenAsDirectory = (path: string): boolean => /(?:^|\/)\.?$/.test(path);

/** `target` is the root of the new layer's view; `workdir` absolute. Throws invalid-argument. */
export function placementsOf(
  wish: CopyWish,
  sources: readonly CopySource[],
  target: number,
  workdir: string,
): CopyGroup[] {
  const absolute = wish.destination.startsWith('/') ? wish.destination : `${workdir}/${wish.destination}`;
  const destination = cleanPath(absolute);
  if (sources.length > 1 && !writtenAsDirectory(wish.destination)) {
    throw failed(
      wish.keyword,
      `When using ${wish.keyword} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
  const asDirectory = writtenAsDirectory(wish.destination) || isDirectory(target, destination);
  const exclude = new Exclusions(wish.exclude);
  const mode = modeChange(wish.chmod);
  return sources.map((source) => {
    const { found, tree, archive, kept } = source;
    const [top] = found.entries;
    const files: Placement[] = [];
    if (top !== undefined && kindOf(top) === DIRECTORY) {
      const base = kept === undefined ? destination : inDirectory(destination, kept);
      for (const entry of wanted(source, exclude)) {
        const to = entry.path === '' ? base : inDirectory(base, entry.path);
        const from = inDirectory(found.path, entry.path).replace(/\/$/, '');
        if (entry.path !== '') files.push({ from, to, ...mode(entry) });
        else if (to === '') continue;
        else files.push({ from: from === '' ? '.' : from, to, follow: true, keep: true, ...mode(entry) });
      }
    } else if (top !== undefined) {
      const name = kept ?? basename(found.path);
      const to = asDirectory || kept !== undefined ? inDirectory(destination, name) : destination;
      files.push({ from: found.path, to, follow: true, ...mode(top) });
    }
    return { tree, keepOwners: archive, files };
  });
}

function isDirectory(target: number, path: string): boolean {
  try {
    const status = statInRoot(target, path === '' ? '.' : path, 0);
    return status !== undefined && (status.mode & 0o170000) === DIRECTORY;
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'ENOTDIR' || error.code === 'ELOOP')) return false;
    throw error;
  }
}

const CLAUSE = /^([ugoa]*)([+=-])([rwxXst]*)$/;

/** Of `--chmod`: octal digits, or the symbolic form of chmod(1). */
function modeChange(text: string): (entry: TreeEntry) => { readonly mode?: number } {
  if (text === '') return () => ({});
  if (/^[0-7]{1,4}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    return (entry) => (kindOf(entry) === SYMLINK ? {} : { mode });
  }
  const clauses = text.split(',').map((clause) => CLAUSE.exec(clause));
  if (clauses.some((clause) => clause === null)) {
    throw invalidArgument(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
  }
  return (entry) => {
    if (kindOf(entry) === SYMLINK) return {};
    let mode = entry.mode & 0o7777;
    for (const clause of clauses) mode = applyClause(mode, clause ?? [], kindOf(entry) === DIRECTORY);
    return { mode };
  };
}

function applyClause(
  mode: number,
  [, given = '', operator = '', letters = '']: readonly string[],
  directory: boolean,
): number {
  const who = given === '' || given.includes('a') ? 'ugo' : given;
  const execute = letters.includes('x') || (letters.includes('X') && (directory || (mode & 0o111) !== 0));
  const bits = (letters.includes('r') ? 4 : 0) | (letters.includes('w') ? 2 : 0) | (execute ? 1 : 0);
  const shift = { u: 6, g: 3, o: 0 } as const;
  let value = letters.includes('t') ? 0o1000 : 0;
  let mask = 0;
  for (const each of who as Iterable<'u' | 'g' | 'o'>) {
    value |= bits << shift[each];
    mask |= 7 << shift[each];
    if (letters.includes('s') && each !== 'o') value |= each === 'u' ? 0o4000 : 0o2000;
  }
  if (operator === '+') return mode | value;
  return operator === '-' ? mode & ~value : (mode & ~mask) | value;
}

/** `user[:group]` by the account files of the new layer's view; a lone user gives its name or number to the group too, as in Docker. */
export function ownerOf(target: number, chown: string): { readonly uid: number; readonly gid: number } {
  if (chown === '') return { uid: 0, gid: 0 };
  const [user = '', group = user, ...rest] = chown.split(':');
  if (rest.length > 0 || user === '') throw invalidArgument(`invalid chown string passed: ${chown}`);
  const read = (path: string): string => new TextDecoder().decode(readInRoot(target, path, MAX_ACCOUNT_FILE));
  const numeric = (text: string): number | undefined => {
    if (!/^\d+$/.test(text)) return undefined;
    if (Number(text) > MAX_ID) throw invalidArgument(`uids and gids must be in range 0-${MAX_ID}`);
    return Number(text);
  };
  const uid = numeric(user) ?? parsePasswd(read('etc/passwd')).find((entry) => entry.name === user)?.uid;
  if (uid === undefined)
    throw invalidArgument(
      `unable to convert uid/gid chown string to host mapping: can't find uid for user ${user}: no such user: ${user}`,
    );
  const gid = numeric(group) ?? parseGroup(read('etc/group')).find((entry) => entry.name === group)?.gid;
  if (gid === undefined)
    throw invalidArgument(
      `unable to convert uid/gid chown string to host mapping: can't find gid for group ${group}: no such group: ${group}`,
    );
  return { uid, gid };
}

/** The failure of a placement in words of the instruction. */
export function placeError(keyword: string, error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  if (error.code === 'ENOTDIR')
    return failed(keyword, `cannot copy to non-directory: /${error.detail.replace(/^\//, '')}`);
  if (error.code === 'EISDIR') return failed(keyword, `cannot replace the directory /${error.detail} with a file`);
  return new EngineError('internal', `${keyword} failed: ${error.message}`, error);
}
