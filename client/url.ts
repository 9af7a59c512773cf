// Owns the writing of a request's target from a route and its values. Pure.
import type { RouteSpec } from '../api-spec/index.ts';

function segment(value: string): string {
  return encodeURIComponent(value).replaceAll('%3A', ':').replaceAll('%40', '@');
}

/** The path of a route with its parameters filled in. Throws when one is missing or empty (the path would be another endpoint's). */
export function fillPath(route: RouteSpec, params: Readonly<Record<string, unknown>>): string {
  return route.path.replace(/:(\w+)/g, (_match, name: string) => {
    const value = params[name];
    if (typeof value !== 'string' || value === '') {
      throw new Error(`${name}: expected a name or id, received ${JSON.stringify(value)}`);
    }
    return route.slashes?.includes(name) ? value.split('/').map(segment).join('/') : segment(value);
  });
}

/**
 * The query string with its `?`, empty without parameters. Absent values are left out, booleans are 1 and 0, lists repeat the parameter,
 * objects (filters) are JSON.
 */
export function writeQuery(query: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) {
      continue;
    }
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one === 'boolean') {
        parameters.append(name, one ? '1' : '0');
      } else {
        parameters.append(name, typeof one === 'object' ? JSON.stringify(one) : String(one));
      }
    }
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
