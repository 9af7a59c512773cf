// Owns the reading of times as Docker's clients give them in filters and queries (`since`, `until`). Pure; output forms are time.ts's.
import { invalidArgument } from './errors.ts';

const SECOND = 1_000_000_000n;
const units: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds of a Go duration (`1h30m`, `1.5s`, `-5m`); undefined when it is none. */
export function parseDuration(text: string): bigint | undefined {
  const negative = text.startsWith('-');
  const rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0n;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0;
  for (const match of rest.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(match[1]) * (units[match[2] ?? ''] ?? 0);
  }
  const result = BigInt(Math.round(total));
  return negative ? -result : result;
}

/** Nanoseconds since 1970 of an RFC 3339 text with a zone; undefined when it is none. Year 1 (Go's zero time) is 0. */
export function parseRfc3339(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const milliseconds = Date.parse(`${match[1]}T${match[2]}${match[4]?.toUpperCase()}`);
  if (Number.isNaN(milliseconds)) return undefined;
  if (match[1] === '0001-01-01') return 0n;
  return BigInt(milliseconds) * 1_000_000n + BigInt((match[3] ?? '').padEnd(9, '0'));
}

/**
 * Nanoseconds since 1970 of what a client may give: a duration before `nowNs`, RFC 3339 with or without a zone (then the daemon's own),
 * a date, or seconds since 1970 with a fraction. Throws invalid-argument in Go's words, as Docker does.
 */
export function parseTimestamp(text: string, nowNs: bigint): bigint {
  const duration = parseDuration(text);
  if (duration !== undefined && !/^\d+$/.test(text)) return nowNs - duration;
  const zoned = parseRfc3339(text);
  if (zoned !== undefined) return zoned;
  const local = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (local !== null) {
    const milliseconds = Date.parse(`${local[1]}T${local[2] ?? '00:00'}${local[4] ?? ''}`);
    if (!Number.isNaN(milliseconds)) {
      return BigInt(milliseconds) * 1_000_000n + BigInt((local[3] ?? '').slice(1).padEnd(9, '0'));
    }
  }
  const unix = /^(-?\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (unix === null) throw invalidArgument(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return BigInt(unix[1] ?? '0') * SECOND + BigInt((unix[2] ?? '').padEnd(9, '0'));
}
