// Owns the reading of option values: sizes, durations, environment, ports, filters. Pure; errors are UsageError and name the option.
import { UsageError } from './command.ts';

const SIZE_UNITS = ['b', 'k', 'm', 'g', 't', 'p'];

/** `64m`, `1.5g`, `100`: bytes, powers of 1024. */
export function parseBytes(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([bkmgtp])?(?:i?b)?$/i.exec(text);
  if (!match) {
    throw new UsageError(
      `invalid size ${JSON.stringify(text)} for ${option}: expected a number with b, k, m or g behind it`,
    );
  }
  return Math.floor(Number(match[1]) * 1024 ** SIZE_UNITS.indexOf((match[2] ?? 'b').toLowerCase()));
}

/** An integer. */
export function parseInteger(option: string, text: string): number {
  if (!/^-?\d+$/.test(text)) {
    throw new UsageError(`invalid value ${JSON.stringify(text)} for ${option}: expected an integer`);
  }
  return Number(text);
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** A Go duration (`1h30m`) in seconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    return undefined;
  }
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(number) * (DURATION_UNITS[unit ?? ''] ?? 0);
  }
  return seconds;
}

/** A point in time as the API takes it. A duration counts back from `nowMs`; seconds since 1970 and RFC 3339 (a date alone too) are taken. */
export function parseTime(option: string, text: string, nowMs: number): string {
  const back = parseDuration(text);
  if (back !== undefined) {
    return (nowMs / 1000 - back).toFixed(3);
  }
  if (/^\d+(\.\d+)?$/.test(text)) {
    return text;
  }
  // A time without a zone is that of this machine, as with docker.
  const date = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00:00`) : new Date(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(date.getTime())) {
    throw new UsageError(
      `invalid time ${JSON.stringify(text)} for ${option}: expected RFC 3339, seconds since 1970 or a duration like 10m`,
    );
  }
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '0';
  return `${Math.floor(date.getTime() / 1000)}.${fraction}`;
}

/** `NAME=VALUE`, or `NAME` for the client's own value; a name that the client has not is left out, as with docker. */
export function parseEnvironment(
  given: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  return given.flatMap((one) => {
    if (one === '' || one.startsWith('=')) {
      throw new UsageError(`invalid environment variable ${JSON.stringify(one)}: expected NAME=VALUE or NAME`);
    }
    if (one.includes('=')) {
      return [one];
    }
    const own = environment[one];
    return own === undefined ? [] : [`${one}=${own}`];
  });
}

/** Lines of an `--env-file`: comments and empty lines are skipped. */
export function envFileLines(content: string): string[] {
  return content
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** `KEY=VALUE` or `KEY` to a map. */
export function parseMap(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((one) => {
      const at = one.indexOf('=');
      return at < 0 ? [one, ''] : [one.slice(0, at), one.slice(at + 1)];
    }),
  );
}

/** `--filter key=value` to the API's form. */
export function parseFilters(given: readonly string[]): Record<string, string[]> {
  const filters = new Map<string, string[]>();
  for (const one of given) {
    const at = one.indexOf('=');
    if (at <= 0) {
      throw new UsageError(`invalid filter ${JSON.stringify(one)}: expected KEY=VALUE`);
    }
    const key = one.slice(0, at).trim().toLowerCase();
    filters.set(key, [...(filters.get(key) ?? []), one.slice(at + 1).trim()]);
  }
  return Object.fromEntries(filters);
}

interface Port {
  readonly container: string;
  readonly hostIp: string;
  readonly hostPort: string;
}

function range(option: string, text: string): readonly [number, number] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first > last || last > 65535) {
    throw new UsageError(`invalid port ${JSON.stringify(text)} in ${option}: expected 1 to 65535 or FIRST-LAST`);
  }
  return [first, last];
}

/** `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, ports or ranges of the same length. */
export function parsePublish(text: string): Port[] {
  const option = `--publish ${text}`;
  const match = /^(?:(?:(\[[^\]]+\]|[^:[\]]*):)?([\d-]*):)?([\d-]+)(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (!match) {
    throw new UsageError(
      `invalid value ${JSON.stringify(text)} for --publish: expected [[IP:]HOSTPORT:]PORT[/tcp|udp|sctp]`,
    );
  }
  const [, ip = '', host = '', inside = '', protocol = 'tcp'] = match;
  const [first, last] = range(option, inside);
  const outside = host === '' ? undefined : range(option, host);
  if (outside && first !== last && outside[1] - outside[0] !== last - first) {
    throw new UsageError(`invalid ${option}: the ranges have different lengths`);
  }
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    container: `${first + i}/${protocol}`,
    hostIp: ip.replace(/^\[(.*)\]$/, '$1'),
    hostPort: outside === undefined ? '' : first === last ? host : String(outside[0] + i),
  }));
}
