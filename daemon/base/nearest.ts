// Owns the search for names close to a mistyped one, for error messages. Pure.

/** Edits (insert, delete, replace) that lead from one text to the other. */
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replace = (previous[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      row.push(Math.min(replace, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[to.length] ?? 0;
}

/** At most two names of `known` close to `name`: within a third of its length, the second within one edit of the first. */
export function nearest(name: string, known: readonly string[]): readonly string[] {
  if (name.length > 64) return [];
  const limit = Math.max(1, Math.floor(name.length / 3));
  const close = known
    .map((candidate) => ({ candidate, edits: distance(name, candidate) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits || a.candidate.localeCompare(b.candidate));
  const best = close[0]?.edits ?? 0;
  return close
    .filter(({ edits }) => edits <= best + 1)
    .slice(0, 2)
    .map(({ candidate }) => candidate);
}
