// Owns what a COPY can take from: the context, a stage or an image, seen through one root descriptor. It lists and hashes; it copies nothing.
import { close, hashFiles, listTree, type TreeEntry } from '../../addon/index.ts';
import { cleanPath, Exclusions, hasWildcard, pathPattern } from './patterns.ts';

export const TYPE_MASK = 0o170000;
export const DIRECTORY = 0o040000;
export const SYMLINK = 0o120000;
export const REGULAR = 0o100000;
export const kindOf = (entry: TreeEntry): number => entry.mode & TYPE_MASK;

/** What a source pattern names: a path beneath the root, and what is there and below. */
export interface Found {
  /** Without slashes at the ends; empty: the root itself. */
  readonly path: string;
  /** Itself first (path empty), then what is below it. */
  readonly entries: readonly TreeEntry[];
}

export class SourceTree {
  readonly root: number;
  readonly #exclusions: Exclusions;
  readonly #digests = new Map<string, string>();
  readonly #lists = new Map<string, Promise<readonly TreeEntry[] | undefined>>();

  /** Takes the descriptor over. */
  constructor(root: number, exclusions = new Exclusions([])) {
    this.root = root;
    this.#exclusions = exclusions;
  }

  close(): void {
    close(this.root);
  }

  excludes(path: string): boolean {
    return !this.#exclusions.empty && path !== '' && this.#exclusions.excludes(path);
  }

  /** By a pattern, in the order of names. Empty: nothing is there, or it is excluded. */
  async find(pattern: string): Promise<readonly Found[]> {
    const cleaned = cleanPath(pattern);
    if (!hasWildcard(cleaned)) {
      const found = await this.#at(cleaned);
      return found === undefined ? [] : [found];
    }
    const parts = cleaned.split('/');
    const fixed = parts.slice(0, parts.findIndex(hasWildcard)).join('/');
    const list = await this.#list(fixed);
    const wanted = pathPattern(cleaned);
    const matches: Found[] = [];
    for (const entry of list ?? []) {
      const path = fixed === '' ? entry.path : `${fixed}/${entry.path}`;
      if (entry.path === '' || !wanted.test(path)) continue;
      const found = await this.#at(path);
      if (found !== undefined) matches.push(found);
    }
    return matches;
  }

  /** Digests of regular files, each read once. */
  async digests(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const missing = paths.filter((path) => !this.#digests.has(path));
    if (missing.length > 0) {
      const digests = await hashFiles(this.root, missing);
      for (const [index, path] of missing.entries()) this.#digests.set(path, digests[index] ?? '');
    }
    return this.#digests;
  }

  async #at(path: string): Promise<Found | undefined> {
    const list = await this.#list(path);
    if (list === undefined) return undefined;
    if (this.#exclusions.empty) return { path, entries: list };
    const kept = list.filter(
      (entry) => entry.path === '' || !this.excludes(path === '' ? entry.path : `${path}/${entry.path}`),
    );
    // An excluded directory counts as there when something below it is wanted all the same.
    if (this.excludes(path) && kept.length === 1) return undefined;
    const needed = new Set<string>();
    for (const { path: below } of kept) {
      for (let slash = below.lastIndexOf('/'); slash > 0; slash = below.lastIndexOf('/', slash - 1)) {
        needed.add(below.slice(0, slash));
      }
    }
    const names = new Set(kept.map((entry) => entry.path));
    return { path, entries: list.filter((entry) => names.has(entry.path) || needed.has(entry.path)) };
  }

  #list(path: string): Promise<readonly TreeEntry[] | undefined> {
    let list = this.#lists.get(path);
    if (list === undefined) {
      list = listTree(this.root, path);
      this.#lists.set(path, list);
    }
    return list;
  }
}
