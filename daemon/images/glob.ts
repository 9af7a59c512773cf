// Owns Go's path.Match, which Docker uses for the `reference` filter. Pure.

/** The pattern as a regular expression; undefined when it is malformed. `*` and `?` do not match `/`. */
export function globPattern(pattern: string): RegExp | undefined {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const c = pattern.charAt(at);
    if (c === '*') {
      source += '[^/]*';
    } else if (c === '?') {
      source += '[^/]';
    } else if (c === '[') {
      const end = pattern.indexOf(']', pattern.charAt(at + 1) === '^' ? at + 3 : at + 2);
      if (end < 0) return undefined;
      source += `[${pattern
        .slice(at + 1, end)
        .replace(/\\(.)/g, '$1')
        .replace(/[\\[\]]/g, '\\$&')}]`;
      at = end;
    } else {
      if (c === '\\') at++;
      if (at >= pattern.length) return undefined;
      source += pattern.charAt(at).replace(/[.*+?^${}()|[\]\\/]/, '\\$&');
    }
  }
  try {
    return new RegExp(`^${source}$`, 'u');
  } catch {
    return undefined;
  }
}
