// Owns the resolvers of all containers: made, taken over from an earlier daemon, ended. Each listens on 127.0.0.11 of its container's
// namespace, on ports of its own to which port 53 is redirected, so that a container may have a name server itself.
import { bindSocket, close, SystemError } from '../../../addon/index.ts';
import type { NetworkTable } from '../../store/networks.ts';
import { redirectLocally } from '../../supervisor/network/local-redirect.ts';
import { NetlinkError } from '../../supervisor/network/rtnetlink.ts';
import type { Log } from '../bridge-driver.ts';
import type { Networks } from '../types.ts';
import { HostResolvers } from './host-resolvers.ts';
import { Resolver, type ResolverOptions } from './resolver.ts';

/** In every namespace that has a resolver; containers' resolv.conf names it. */
const ADDRESS = '127.0.0.11';
const PORT = 53;

type ServeRequest = Parameters<Networks['serveNames']>[0];

interface Running {
  readonly resolver: Resolver;
  /** Of the resolver, for the process that outlives the daemon. */
  readonly sockets: readonly number[];
}

/** A kernel without nf_tables, or without its NAT. */
const isUnsupported = (error: unknown): boolean =>
  (error instanceof NetlinkError || error instanceof SystemError) &&
  ['ENOENT', 'EOPNOTSUPP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT'].includes(error.code);

export class NameResolvers {
  readonly #table: NetworkTable;
  readonly #log: Log;
  readonly #host = new HostResolvers();
  readonly #running = new Map<string, Running>();
  #redirects = true;

  constructor(table: NetworkTable, log: Log) {
    this.#table = table;
    this.#log = log;
  }

  async serve(request: ServeRequest): Promise<readonly number[]> {
    const { containerId, namespace, service, held } = request;
    const running = this.#running.get(containerId);
    if (running !== undefined) {
      for (const descriptor of held ?? []) close(descriptor);
      return running.sockets;
    }
    const options = { containerId, namespace, service, table: this.#table, host: this.#host };
    const made = (await this.#takeOver(options, held ?? [])) ?? (await this.#open(options, held !== undefined));
    this.#running.set(containerId, made);
    return made.sockets;
  }

  /** With the sockets of an earlier daemon: what waits in them is answered now. */
  async #takeOver(options: ResolverOptions, held: readonly number[]): Promise<Running | undefined> {
    const [udp, tcp] = held;
    if (udp === undefined || tcp === undefined || held.length !== 2) {
      for (const descriptor of held) close(descriptor);
      return undefined;
    }
    return this.#begin(options, [udp, tcp], async () => undefined);
  }

  /** On any ports with a redirection; on port 53 itself where the kernel has no nf_tables. `again`: the namespace may have one already. */
  async #open(options: ResolverOptions, again: boolean): Promise<Running> {
    const { namespace } = options;
    if (this.#redirects) {
      try {
        return await this.#begin(options, await this.#bind(namespace, 0), (ports) =>
          redirectLocally(namespace, { address: ADDRESS, port: PORT, ...ports }, again),
        );
      } catch (error) {
        if (!isUnsupported(error)) throw error;
        this.#redirects = false;
        this.#log.warn(
          { err: error },
          'this kernel has no nf_tables with NAT: in containers on user-defined networks no name server can listen on port 53 of all addresses',
        );
      }
    }
    return this.#begin(options, await this.#bind(namespace, PORT), async () => undefined);
  }

  async #begin(
    options: ResolverOptions,
    sockets: readonly [number, number],
    then: (ports: { readonly udp: number; readonly tcp: number }) => Promise<void>,
  ): Promise<Running> {
    const resolver = new Resolver(options);
    try {
      await then(await resolver.serve(...sockets));
      return { resolver, sockets };
    } catch (error) {
      resolver.close();
      throw error;
    }
  }

  async #bind(namespace: number, port: number): Promise<[number, number]> {
    const [udp, tcp] = await Promise.allSettled([
      bindSocket(namespace, 'udp', ADDRESS, port),
      bindSocket(namespace, 'tcp', ADDRESS, port),
    ]);
    if (udp.status === 'fulfilled' && tcp.status === 'fulfilled') return [udp.value, tcp.value];
    for (const one of [udp, tcp]) if (one.status === 'fulfilled') close(one.value);
    throw udp.status === 'rejected' ? udp.reason : tcp.status === 'rejected' ? tcp.reason : undefined;
  }

  stop(containerId: string): void {
    this.#running.get(containerId)?.resolver.close();
    this.#running.delete(containerId);
  }

  close(): void {
    for (const containerId of [...this.#running.keys()]) this.stop(containerId);
    this.#host.close();
  }
}
