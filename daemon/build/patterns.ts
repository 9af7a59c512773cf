// Owns the patterns of .dockerignore and of COPY's sources and exclusions. Pure.
import { invalidArgument } from '../base/errors.ts';

/** Whether a text holds a wildcard of file name patterns. */
export const hasWildcard = (pattern: string): boolean => /[*?[\\]/.test(pattern);

/** A pattern as a regular expression over whole paths: `*` and `?` within a name, `**` over any number of directories. */
export function pathPattern(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const c = pattern.charAt(at);
    if (c === '*' && pattern.charAt(at + 1) === '*') {
      at++;
      if (pattern.charAt(at + 1) === '/') {
        at++;
        source += '(?:.*/)?';
      } else {
        source += '.*';
      }
    } else if (c === '*') {
      source += '[^/]*';
    } else if (c === '?') {
      source += '[^/]';
    } else if (c === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw invalidArgument(`invalid pattern ${JSON.stringify(pattern)}: syntax error in pattern`);
      source += `[${pattern.slice(at + 1, end).replace(/[\\\]]/g, '\\$&')}]`;
      at = end;
    } else if (c === '\\') {
      at++;
      source += pattern.charAt(at).replace(/[\\^$.|+()[\]{}*?/]/g, '\\$&');
    } else {
      source += c.replace(/[\\^$.|+()[\]{}*?]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, 's');
}

/** `a/./b/../c` as `a/c`, without slashes at the ends. `..` stops at the top. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Rules of which the last that matches decides. */
export class Exclusions {
  readonly #rules: readonly { readonly pattern: RegExp; readonly excluded: boolean }[];

  constructor(patterns: readonly string[]) {
    this.#rules = patterns.map((pattern) => {
      const excluded = !pattern.startsWith('!');
      const cleaned = cleanPath(excluded ? pattern : pattern.slice(1));
      return { pattern: pathPattern(cleaned), excluded };
    });
  }

  get empty(): boolean {
    return this.#rules.length === 0;
  }

  /** A path, or a directory above it, decides. */
  excludes(path: string): boolean {
    const parts = path.split('/');
    const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    let excluded = false;
    for (const rule of this.#rules) {
      if (prefixes.some((prefix) => rule.pattern.test(prefix))) excluded = rule.excluded;
    }
    return excluded;
  }
}

/** The patterns of a .dockerignore file: comments and blank lines left out. */
export function parseIgnoreFile(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '.' && line !== '!');
}
