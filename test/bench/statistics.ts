// Owns the numbers of a benchmark: medians, ratios, the table. Measures nothing.

export interface Row {
  /** What was measured. */
  readonly name: string;
  /** Unit of every value: "ms" or "MiB". */
  readonly unit: string;
  /** Samples by engine, in the order measured. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

/** The value that p (0 to 1) of the samples do not exceed, between neighbours linearly. NaN of none. */
export const quantile = (samples: readonly number[], p: number): number => {
  const sorted = [...samples].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * p;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
};

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** How many times as much `engine` took as `base`, by medians; undefined when one was not measured. */
export const ratio = (row: Row, engine: string, base: string): number | undefined => {
  const value = median(row.samples[engine] ?? []) / median(row.samples[base] ?? []);
  return Number.isFinite(value) ? value : undefined;
};

const number = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** Text table: medians of each engine, then tsd's share of dockerd's and its multiple of the floor. */
export const table = (rows: readonly Row[], engines: readonly string[]): string => {
  const lines = [['', ...engines, 'tsd / dockerd', 'tsd / floor']];
  for (const row of rows) {
    const show = (base: string): string => {
      const value = ratio(row, 'tsd', base);
      return value === undefined ? '-' : value.toFixed(2);
    };
    lines.push([
      `${row.name} (${row.unit})`,
      ...engines.map((engine) => number(median(row.samples[engine] ?? []))),
      show('dockerd'),
      show('floor'),
    ]);
  }
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};
