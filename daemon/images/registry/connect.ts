// Owns the way from a repository's name to clients of the endpoints that serve it, in their order, and the turning to the next one when
// one fails. Remembers which registries speak plain HTTP.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Reference } from '../reference.ts';
import { RepositoryClient } from './client.ts';
import { type Endpoint, hostOf, ownEndpoints, pullEndpoints } from './endpoints.ts';
import { ConnectionFailure } from './failure.ts';
import { Authorizer } from './tokens.ts';
import type { Transport } from './transport.ts';
import { type Credentials, noCredentials, type RegistrySettings } from './types.ts';

export interface ConnectorOptions {
  readonly transport: Transport;
  readonly settings: () => RegistrySettings;
  readonly log: Log;
}

/** Clients of one repository. */
export class Repository {
  readonly #clients: readonly RepositoryClient[];
  readonly #dead = new Set<Endpoint>();
  readonly #log: Log;
  readonly #worked: (endpoint: Endpoint) => void;

  constructor(clients: readonly RepositoryClient[], log: Log, worked: (endpoint: Endpoint) => void) {
    this.#clients = clients;
    this.#log = log;
    this.#worked = worked;
  }

  /**
   * The first endpoint's answer. One that cannot be reached is not asked again; a mirror that does not have it is passed over; what the
   * registry itself says is final. Throws the last failure.
   */
  async first<T>(
    fn: (client: RepositoryClient) => Promise<T>,
    options: { readonly resolve?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<{ readonly client: RepositoryClient; readonly value: T }> {
    const fit = this.#clients.filter((client) => options.resolve !== true || client.endpoint.resolves);
    const alive = fit.filter((client) => !this.#dead.has(client.endpoint));
    let last: unknown;
    for (const client of alive.length === 0 ? fit : alive) {
      try {
        const value = await fn(options.signal === undefined ? client : client.with(options.signal));
        this.#worked(client.endpoint);
        return { client, value };
      } catch (error) {
        options.signal?.throwIfAborted();
        last = error;
        const { mirror, url } = client.endpoint;
        if (error instanceof ConnectionFailure) this.#dead.add(client.endpoint);
        else if (!mirror) throw error;
        if (mirror) this.#log.warn({ mirror: url, reason: messageOf(error) }, 'a mirror is passed over');
      }
    }
    throw last;
  }
}

export class Connector {
  readonly #options: ConnectorOptions;
  /** Registries whose plain address worked when the one with TLS did not. */
  readonly #plain = new Set<string>();

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  async forPull(reference: Reference, credentials: Credentials, signal: AbortSignal): Promise<Repository> {
    const { domain } = reference;
    const endpoints = pullEndpoints(domain, this.#options.settings(), await addressesOf(domain));
    return this.#repository(reference, endpoints, credentials, 'pull', signal);
  }

  async forPush(reference: Reference, credentials: Credentials, signal: AbortSignal): Promise<Repository> {
    const endpoints = await this.registry(reference.domain);
    return this.#repository(reference, endpoints, credentials, 'pull,push', signal);
  }

  /** The registry's own endpoints, those that worked before first. */
  async registry(domain: string): Promise<readonly Endpoint[]> {
    return this.#ordered(domain, ownEndpoints(domain, this.#options.settings(), await addressesOf(domain)));
  }

  /** To be told which of a registry's endpoints answered. */
  worked(domain: string, endpoint: Endpoint): void {
    if (endpoint.mirror) return;
    if (endpoint.url.startsWith('http:')) this.#plain.add(domain);
    else this.#plain.delete(domain);
  }

  #ordered(domain: string, endpoints: readonly Endpoint[]): readonly Endpoint[] {
    if (!this.#plain.has(domain)) return endpoints;
    const plain = (endpoint: Endpoint): number => (endpoint.url.startsWith('http:') ? 0 : 1);
    const own = endpoints.filter((endpoint) => !endpoint.mirror).sort((a, b) => plain(a) - plain(b));
    return [...endpoints.filter((endpoint) => endpoint.mirror), ...own];
  }

  #repository(
    reference: Reference,
    endpoints: readonly Endpoint[],
    credentials: Credentials,
    actions: string,
    signal: AbortSignal,
  ): Repository {
    const { transport, log } = this.#options;
    const { domain, path } = reference;
    const clients = this.#ordered(domain, endpoints).map(
      (endpoint) =>
        new RepositoryClient({
          transport,
          endpoint,
          // The client's password is for the registry that it named, not for its mirrors.
          authorizer: new Authorizer(transport, endpoint.mirror ? noCredentials : credentials),
          path,
          actions,
          signal,
        }),
    );
    return new Repository(clients, log, (endpoint) => this.worked(domain, endpoint));
  }
}

/** Addresses of a registry's host, for networks among the insecure registries; a name that is not known has none. */
async function addressesOf(domain: string): Promise<readonly string[]> {
  const host = hostOf(domain);
  if (isIP(host) !== 0 || domain === 'docker.io') return [];
  try {
    return (await lookup(host, { all: true })).map((entry) => entry.address);
  } catch {
    return [];
  }
}
