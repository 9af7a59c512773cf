// Owns text for people: tables, sizes, ages. Pure.

/** Columns with at least three spaces between them, the last one not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    }
  }
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd((widths[i] ?? 0) + 3))).join(''))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** Bytes as Docker shows them: three digits, powers of 1000. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${units[unit]}`;
}

/** A length of time in seconds as Docker shows it. */
export function humanDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  const hours = Math.round(seconds / 3600);
  const steps: readonly (readonly [boolean, string])[] = [
    [whole < 1, 'Less than a second'],
    [whole === 1, '1 second'],
    [whole < 60, `${whole} seconds`],
    [minutes === 1, 'About a minute'],
    [minutes < 60, `${minutes} minutes`],
    [hours === 1, 'About an hour'],
    [hours < 48, `${hours} hours`],
    [hours < 24 * 14, `${Math.floor(hours / 24)} days`],
    [hours < 24 * 60, `${Math.floor(hours / 24 / 7)} weeks`],
    [hours < 24 * 365 * 2, `${Math.floor(hours / 24 / 30)} months`],
  ];
  return steps.find(([holds]) => holds)?.[1] ?? `${Math.floor(hours / 24 / 365)} years`;
}

/** Without the algorithm, the first twelve digits. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

/** At most `length` characters, the last one an ellipsis when something was cut. */
export function ellipsis(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
