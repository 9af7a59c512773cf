// Owns `docker search`: Docker's search of version 1, which Docker Hub has and most registries have not. Filters as documented there.
import { internal, invalidArgument, notFound } from '../../base/errors.ts';
import type { Connector } from './connect.ts';
import { DEFAULT_REGISTRY } from './endpoints.ts';
import { ConnectionFailure, failureOf, registryError } from './failure.ts';
import { basic } from './tokens.ts';
import { readText, type Transport } from './transport.ts';
import type { SearchRequest, SearchResult } from './types.ts';

const MAX_ANSWER = 4 * 1024 * 1024;
const DEFAULT_LIMIT = 25;
const INDEX = 'https://index.docker.io';

/** A term that begins with a host is for that registry. */
function splitTerm(term: string): { readonly domain: string; readonly rest: string } {
  if (term.includes('://'))
    throw invalidArgument(`invalid repository name: repository name (${term}) should not have a scheme`);
  const slash = term.indexOf('/');
  const first = slash < 0 ? '' : term.slice(0, slash);
  if (slash < 0 || !(/[.:]/.test(first) || first === 'localhost')) return { domain: DEFAULT_REGISTRY, rest: term };
  return { domain: first === 'index.docker.io' ? DEFAULT_REGISTRY : first, rest: term.slice(slash + 1) };
}

type Keep = (result: SearchResult) => boolean;

function filterOf(filters: SearchRequest['filters']): Keep {
  const flag = (key: string): boolean | undefined => {
    const values = filters[key] ?? [];
    const [first] = values;
    if (first === undefined) return undefined;
    const yes = values.some((value) => value === 'true' || value === '1');
    if (yes === values.some((value) => value === 'false' || value === '0')) {
      throw invalidArgument(`invalid filter '${key}=[${values.join(' ')}]'`);
    }
    return yes;
  };
  const unknown = Object.keys(filters).find((key) => !['is-automated', 'is-official', 'stars'].includes(key));
  if (unknown !== undefined) throw invalidArgument(`invalid filter '${unknown}'`);
  const automated = flag('is-automated');
  const official = flag('is-official');
  const stars = (filters.stars ?? []).map((value) => {
    if (!/^\d+$/.test(value)) throw invalidArgument(`invalid filter 'stars=[${value}]'`);
    return Number(value);
  });
  const least = Math.max(0, ...stars);
  return (result) =>
    (automated === undefined || result.isAutomated === automated) &&
    (official === undefined || result.isOfficial === official) &&
    result.starCount >= least;
}

function resultsOf(text: string, url: string): SearchResult[] {
  let results: unknown;
  try {
    ({ results } = JSON.parse(text) as { results?: unknown });
  } catch (error) {
    throw internal(`Get "${url}": error decoding registry search results`, error);
  }
  if (!Array.isArray(results))
    throw internal(`Get "${url}": error decoding registry search results: no list of results`);
  return results.map((value: unknown) => {
    const { name, description, is_official, is_automated, star_count } = (value ?? {}) as Readonly<
      Record<string, unknown>
    >;
    return {
      name: typeof name === 'string' ? name : '',
      description: typeof description === 'string' ? description : '',
      isOfficial: is_official === true,
      isAutomated: is_automated === true,
      starCount: typeof star_count === 'number' ? star_count : 0,
    };
  });
}

export async function search(
  transport: Transport,
  connector: Connector,
  request: SearchRequest,
  signal: AbortSignal,
): Promise<readonly SearchResult[]> {
  const keep = filterOf(request.filters);
  const limit = request.limit === 0 ? DEFAULT_LIMIT : request.limit;
  if (limit < 1 || limit > 100) throw invalidArgument(`limit ${limit} is outside the range of [1, 100]`);
  const { domain, rest } = splitTerm(request.term);
  const { username, password } = request.credentials;
  const headers: Record<string, string> = username === '' ? {} : { authorization: basic(username, password) };
  let last: unknown;
  for (const own of await connector.registry(domain)) {
    const endpoint = domain === DEFAULT_REGISTRY ? { ...own, url: INDEX } : own;
    const url = `${endpoint.url}/v1/search?q=${encodeURIComponent(rest)}&n=${limit}`;
    try {
      const answer = await transport.send(endpoint, { method: 'GET', url, headers, signal });
      connector.worked(domain, own);
      const text = await readText(answer.body, MAX_ANSWER);
      if (answer.status === 404)
        throw notFound(`registry ${domain} offers no search: Get "${url}": 404 ${answer.reason}`);
      if (answer.status !== 200) throw failureOf(answer.status, answer.reason, text, `Get "${url}"`);
      return resultsOf(text, url).filter(keep);
    } catch (error) {
      last = error;
      if (!(error instanceof ConnectionFailure)) break;
    }
  }
  throw registryError(last);
}
