// Owns the answer to a registry's challenge: Basic, or a bearer token fetched from the realm that the challenge names. Tokens are kept for
// their lifetime. Protocol: token authentication of the distribution specification.
import { internal } from '../../base/errors.ts';
import { parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoints.ts';
import { failureOf } from './failure.ts';
import { readText, type Transport } from './transport.ts';
import type { Credentials } from './types.ts';

const CLIENT = 'docker';
const MAX_ANSWER = 1024 * 1024;
const LEAST_SECONDS = 60;

interface Token {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

interface TokenAnswer {
  readonly token?: unknown;
  readonly access_token?: unknown;
  readonly refresh_token?: unknown;
  readonly expires_in?: unknown;
}

/** What a login gets: a token for requests, and one that stands for the password when the server gives it. */
export interface Grant {
  readonly access: string;
  readonly refresh: string;
  readonly seconds: number;
}

export class Authorizer {
  readonly #transport: Transport;
  readonly #credentials: Credentials;
  readonly #tokens = new Map<string, Promise<Token>>();
  /** How the registry wants to be answered; undefined before its first challenge. */
  #basic = false;
  #bearer: { readonly realm: string; readonly service: string } | undefined;

  constructor(transport: Transport, credentials: Credentials) {
    this.#transport = transport;
    this.#credentials = credentials;
  }

  /** Authorization for a request; empty as long as the registry has not asked for one. */
  async header(endpoint: Endpoint, scopes: readonly string[], signal: AbortSignal): Promise<string> {
    const { registryToken, username, password } = this.#credentials;
    if (registryToken !== '') return `Bearer ${registryToken}`;
    if (this.#basic) return basic(username, password);
    if (this.#bearer === undefined) return '';
    const key = JSON.stringify(scopes);
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await known;
      if (token.expires > Date.now()) return `Bearer ${token.value}`;
    }
    // Requests that go out together share one token.
    const fetched = this.#fetch(endpoint, this.#bearer, scopes, signal);
    this.#tokens.set(key, fetched);
    fetched.catch(() => this.#tokens.delete(key));
    return `Bearer ${(await fetched).value}`;
  }

  /** Takes a 401's challenge up. False when the request had its answer already, or there is none: then the 401 stands. */
  accept(challenge: string, scopes: readonly string[], sent: string, request: string): boolean {
    const { registryToken, username, password } = this.#credentials;
    if (registryToken !== '') return false;
    const challenges = parseChallenges(challenge);
    const bearer = challenges.find((one) => one.scheme === 'bearer');
    if (bearer !== undefined) {
      const { realm = '', service = '' } = bearer.parameters;
      this.#bearer = { realm, service };
      // One that the registry does not take any more is fetched anew.
      if (sent !== '') this.#tokens.delete(JSON.stringify(scopes));
      return true;
    }
    if (!challenges.some((one) => one.scheme === 'basic')) return false;
    if (username === '' && password === '') throw internal(`${request}: no basic auth credentials`);
    this.#basic = true;
    return sent === '';
  }

  async #fetch(
    endpoint: Endpoint,
    { realm, service }: { readonly realm: string; readonly service: string },
    scopes: readonly string[],
    signal: AbortSignal,
  ): Promise<Token> {
    const credentials = this.#credentials;
    const request = { realm, service, scopes, credentials, offline: false, signal };
    const grant = await fetchToken(this.#transport, endpoint, request);
    // A tenth of its life is left for the request that it is for.
    return { value: grant.access, expires: Date.now() + grant.seconds * 900 };
  }
}

export const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

export interface TokenRequest {
  readonly realm: string;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly credentials: Credentials;
  /** Ask for a refresh token too. */
  readonly offline: boolean;
  readonly signal: AbortSignal;
}

/** Fetches a token. Throws RegistryFailure when it is refused, internal when the realm is no URL. */
export async function fetchToken(transport: Transport, endpoint: Endpoint, request: TokenRequest): Promise<Grant> {
  let url: URL;
  try {
    url = new URL(request.realm);
  } catch {
    throw internal(`${endpoint.url}: no token server: the realm of its challenge is no URL: "${request.realm}"`);
  }
  const { credentials } = request;
  const answer =
    credentials.identityToken === ''
      ? await byGet(transport, endpoint, url, request)
      : await byPost(transport, endpoint, url, request);
  const text = await readText(answer.body, MAX_ANSWER);
  const what = `${answer.method} "${url.href}"`;
  if (answer.status !== 200) throw failureOf(answer.status, answer.reason, text, what);
  let value: TokenAnswer;
  try {
    value = JSON.parse(text) as TokenAnswer;
  } catch (error) {
    throw internal(`${what}: the token server's answer is not JSON`, error);
  }
  const access = [value.token, value.access_token].find((one) => typeof one === 'string' && one !== '');
  if (typeof access !== 'string')
    throw internal(`${what}: authorization server did not include a token in the response`);
  const seconds = typeof value.expires_in === 'number' ? Math.max(value.expires_in, LEAST_SECONDS) : LEAST_SECONDS;
  return { access, refresh: typeof value.refresh_token === 'string' ? value.refresh_token : '', seconds };
}

async function byGet(transport: Transport, endpoint: Endpoint, url: URL, request: TokenRequest) {
  const { username, password } = request.credentials;
  if (request.service !== '') url.searchParams.set('service', request.service);
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  if (request.offline) url.searchParams.set('offline_token', 'true');
  if (request.offline) url.searchParams.set('client_id', CLIENT);
  if (username !== '') url.searchParams.set('account', username);
  const headers: Record<string, string> =
    username === '' && password === '' ? {} : { authorization: basic(username, password) };
  const answer = await transport.send(endpoint, { method: 'GET', url: url.href, headers, signal: request.signal });
  return { ...answer, method: 'Get' };
}

/** OAuth2 with the refresh token that an earlier login gave. */
async function byPost(transport: Transport, endpoint: Endpoint, url: URL, request: TokenRequest) {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    service: request.service,
    client_id: CLIENT,
    refresh_token: request.credentials.identityToken,
    scope: request.scopes.join(' '),
  });
  const body = Buffer.from(form.toString());
  const answer = await transport.send(endpoint, {
    method: 'POST',
    url: url.href,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) },
    body,
    signal: request.signal,
  });
  return { ...answer, method: 'Post' };
}
