// Owns the reading of WWW-Authenticate (RFC 9110, 11.6.1) and Retry-After headers. Pure.

export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const parameter = /^\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/;
const scheme = /^\s*,?\s*([A-Za-z][A-Za-z0-9-]*)(?=\s|,|$)/;

/** All challenges of a header; what cannot be read ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header;
  while (rest.trim() !== '') {
    const start = scheme.exec(rest);
    if (start === null) break;
    rest = rest.slice(start[0].length);
    const parameters: Record<string, string> = {};
    for (let match = parameter.exec(rest); match !== null; match = parameter.exec(rest)) {
      parameters[(match[1] ?? '').toLowerCase()] = match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '';
      rest = rest.slice(match[0].length);
    }
    challenges.push({ scheme: (start[1] ?? '').toLowerCase(), parameters });
  }
  return challenges;
}

/** Milliseconds of a Retry-After header (seconds or an HTTP date); undefined when there is none that can be read. */
export function retryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
