// Owns time as the engine stores it: nanoseconds since 1970 as bigint, and Docker's text forms of it.

const NS = 1_000_000_000n;

/** RFC 3339 with nanoseconds in UTC as Go's RFC3339Nano prints it (trailing zeros of the fraction cut). 0 is Go's zero time. */
export function rfc3339Nano(ns: bigint): string {
  if (ns === 0n) return '0001-01-01T00:00:00Z';
  const seconds = new Date(Number(ns / NS) * 1000).toISOString().slice(0, 19);
  const fraction = (ns % NS).toString().padStart(9, '0').replace(/0+$/, '');
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

/**
 * Nanoseconds since 1970, of the wall clock. The part below a millisecond comes from the performance counter, so that two calls
 * rarely agree; when the wall clock has been set since the process began, milliseconds are all there is.
 */
export function nowNs(): bigint {
  const wall = Date.now();
  const fine = performance.timeOrigin + performance.now();
  if (Math.abs(fine - wall) > 5) return BigInt(wall) * 1_000_000n;
  const whole = Math.floor(fine);
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((fine - whole) * 1e6));
}
