// Owns the version prefix of a request's path and the packing of image names with slashes into one path segment.
import type { IncomingMessage } from 'node:http';
import { DEFAULT_API, type RouteSpec, routes, versionProblem } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';

interface SlashRoute {
  readonly method: string;
  readonly pattern: RegExp;
}

const slashRoutes: readonly SlashRoute[] = (Object.values(routes) as readonly RouteSpec[])
  .filter((route) => route.slashes !== undefined)
  .map((route) => ({ method: route.method, pattern: new RegExp(`^${route.path.replace(/:\w+/, '(.+)')}$`) }));

/** Splits `/v1.41/info?x` into version and rest. Without a prefix the version is the newest. */
export function splitVersion(url: string): { readonly version: string; readonly path: string } {
  const match = /^\/v(\d[\d.]*)(\/.*)$/s.exec(url);
  return match === null
    ? { version: DEFAULT_API, path: url }
    : { version: match[1] ?? DEFAULT_API, path: match[2] ?? '/' };
}

/** The path for the router: without version, an image name's slashes as `%2F`. */
export function routerUrl(method: string, url: string): string {
  const { path } = splitVersion(url);
  const question = path.indexOf('?');
  const pathname = question < 0 ? path : path.slice(0, question);
  for (const route of slashRoutes) {
    if (route.method !== method) continue;
    const name = route.pattern.exec(pathname)?.[1];
    if (name?.includes('/')) return path.replace(name, name.replaceAll('/', '%2F'));
  }
  return path;
}

/** The URL as the client sent it: the framework keeps it aside when it was rewritten for the router. */
export function clientUrl(request: IncomingMessage): string {
  return (request as IncomingMessage & { readonly originalUrl?: string }).originalUrl ?? request.url ?? '/';
}

/** The API version a request asks for. Throws invalid-argument with Docker's message for one that is not served. */
export function requestVersion(request: IncomingMessage): string {
  const { version } = splitVersion(clientUrl(request));
  const problem = versionProblem(version);
  if (problem !== undefined) throw invalidArgument(problem);
  return version;
}
