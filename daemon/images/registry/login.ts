// Owns the check of credentials with a registry (`docker login`), by Basic or by its token server, in Docker's words.
import { EngineError, internal } from '../../base/errors.ts';
import { parseChallenges } from './challenge.ts';
import type { Connector } from './connect.ts';
import { DEFAULT_REGISTRY, type Endpoint } from './endpoints.ts';
import { ConnectionFailure, RegistryFailure, registryError } from './failure.ts';
import { basic, fetchToken } from './tokens.ts';
import type { Transport } from './transport.ts';
import type { Credentials } from './types.ts';

/** Registry of a server address as clients send it: a host, a URL, or the address of Docker's index. */
export function domainOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return host === '' || host === 'index.docker.io' || host === 'registry-1.docker.io' ? DEFAULT_REGISTRY : host;
}

/** Resolves with an identity token, or an empty text. */
export async function login(
  transport: Transport,
  connector: Connector,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<string> {
  const domain = domainOf(credentials.serverAddress);
  let last: unknown;
  for (const endpoint of await connector.registry(domain)) {
    try {
      const token = await loginAt(transport, endpoint, credentials, signal);
      connector.worked(domain, endpoint);
      return token;
    } catch (error) {
      last = error;
      if (!(error instanceof ConnectionFailure)) break;
    }
  }
  throw registryError(last);
}

async function loginAt(
  transport: Transport,
  endpoint: Endpoint,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<string> {
  const url = `${endpoint.url}/v2/`;
  const first = await transport.send(endpoint, { method: 'GET', url, signal });
  first.body.resume();
  if (first.status === 200) return '';
  const failed = (status: number, reason: string): EngineError => {
    const text = `login attempt to ${url} failed with status: ${status} ${reason}`;
    return status === 401 ? new EngineError('unauthorized', text) : internal(text);
  };
  if (first.status !== 401) throw failed(first.status, first.reason);
  const challenges = parseChallenges(first.headers['www-authenticate'] ?? '');
  const bearer = challenges.find((one) => one.scheme === 'bearer');
  if (bearer === undefined) {
    const authorization = basic(credentials.username, credentials.password);
    const second = await transport.send(endpoint, { method: 'GET', url, headers: { authorization }, signal });
    second.body.resume();
    if (second.status !== 200) throw failed(second.status, second.reason);
    return '';
  }
  const { realm = '', service = '' } = bearer.parameters;
  try {
    const grant = await fetchToken(transport, endpoint, {
      realm,
      service,
      scopes: [],
      credentials,
      offline: true,
      signal,
    });
    const authorization = `Bearer ${grant.access}`;
    const second = await transport.send(endpoint, { method: 'GET', url, headers: { authorization }, signal });
    second.body.resume();
    if (second.status !== 200) throw failed(second.status, second.reason);
    return grant.refresh;
  } catch (error) {
    if (!(error instanceof RegistryFailure) || error.status !== 401) throw error;
    throw new EngineError('unauthorized', `${error.request}: unauthorized: incorrect username or password`, error);
  }
}
