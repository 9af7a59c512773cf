// Owns the forms of time in queries: Unix seconds with a fraction, RFC 3339, dates, Go durations into the past. Pure.
import { invalidArgument } from '../base/errors.ts';

const NS = 1_000_000_000n;

const unitsNs: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds of a Go duration such as `1h30m` or `1.5s`; undefined when it is none. */
export function parseDuration(text: string): bigint | undefined {
  const body = /^[+-]?((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.exec(text);
  if (body === null) return text === '0' ? 0n : undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(number) * (unitsNs[unit ?? ''] ?? 0);
  }
  return BigInt(Math.round(total)) * (text.startsWith('-') ? -1n : 1n);
}

function unixSeconds(text: string): bigint | undefined {
  const match = /^(-?\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const whole = BigInt(match[1] ?? '0') * NS;
  const fraction = BigInt((match[2] ?? '').padEnd(9, '0'));
  return text.startsWith('-') ? whole - fraction : whole + fraction;
}

function rfc3339(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (match === null) return undefined;
  // Without a zone it is the time of this host, as with dockerd.
  const zone = match[5] ?? '';
  const time = match[2] === undefined ? '00:00:00' : `${match[2]}${match[3] ?? ':00'}`;
  const milliseconds = Date.parse(`${match[1]}T${time}${zone}`);
  return Number.isNaN(milliseconds)
    ? undefined
    : BigInt(milliseconds) * 1_000_000n + BigInt((match[4] ?? '').padEnd(9, '0'));
}

/**
 * Nanoseconds since 1970 of a query's time; undefined when it is absent or empty. `name` is the parameter, `now` in nanoseconds.
 * Throws invalid-argument for another form.
 */
export function parseTimestamp(name: string, text: string | undefined, now: bigint): bigint | undefined {
  if (text === undefined || text === '') return undefined;
  const at = unixSeconds(text) ?? rfc3339(text);
  if (at !== undefined) return at;
  const distance = parseDuration(text);
  if (distance !== undefined) return now - distance;
  throw invalidArgument(
    `invalid value for "${name}": "${text}": expected Unix seconds, an RFC 3339 time or a duration such as 10m`,
  );
}
