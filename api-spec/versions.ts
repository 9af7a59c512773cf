// Owns the range of Docker API versions that are served and the comparison of versions. Knows no endpoint.

/** The oldest API version that is served. */
export const MIN_API = '1.24';
/** The newest API version that is served. */
export const MAX_API = '1.55';
/** What a request without a version prefix gets. */
export const DEFAULT_API = MAX_API;

/** Compares two versions number by number: negative when `a` is older, 0 when equal, positive when newer. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

/** Is `version` at least `minimum`? */
export function atLeast(version: string, minimum: string): boolean {
  return compareVersions(version, minimum) >= 0;
}

/** Docker's message for a version outside of the range, undefined for one that is served. The answer to a client is status 400. */
export function versionProblem(version: string): string | undefined {
  if (compareVersions(version, MIN_API) < 0) {
    return `client version ${version} is too old. Minimum supported API version is ${MIN_API}, please upgrade your client to a newer version`;
  }
  if (compareVersions(version, MAX_API) > 0) {
    return `client version ${version} is too new. Maximum supported API version is ${MAX_API}`;
  }
  return undefined;
}
