// Owns one container's resolver: its two sockets in the container's namespace, queries in, answers out. What to answer lookup.ts decides, how
// others are asked is upstream.ts's.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Socket, type Server as TcpServer } from 'node:net';
import { close, duplicate } from '../../../addon/index.ts';
import type { NetworkTable } from '../../store/networks.ts';
import type { NameService } from '../types.ts';
import type { HostResolvers } from './host-resolvers.ts';
import { decide } from './lookup.ts';
import { failure, type OwnAnswer, ownAnswer, passOn, type Query, readQuery, responseCode } from './message.ts';
import { askServers, framed, MessageReader, type Server } from './upstream.ts';

/** Questions to others that may be open at once; more are refused, as the container would only hurt itself and the host. */
const MAX_OPEN = 256;
const MAX_CONNECTIONS = 64;
/** Milliseconds that a silent TCP connection is kept. */
const IDLE = 10_000;

export interface ResolverOptions {
  readonly containerId: string;
  /** The caller keeps it: a duplicate is made. */
  readonly namespace: number;
  readonly service: NameService;
  readonly table: NetworkTable;
  readonly host: HostResolvers;
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

export class Resolver {
  readonly #options: ResolverOptions;
  readonly #namespace: number;
  readonly #udp: UdpSocket = createSocket('udp4');
  readonly #tcp: TcpServer = createServer({ allowHalfOpen: true });
  readonly #connections = new Set<Socket>();
  #turn = 0;
  #open = 0;
  #closed = false;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#namespace = duplicate(options.namespace);
  }

  /** Takes both sockets, a bound one of UDP and a listening one of TCP, and closes them in the end. Resolves with their ports. */
  async serve(udp: number, tcp: number): Promise<{ readonly udp: number; readonly tcp: number }> {
    this.#udp.on('message', (raw, { address, port }) => {
      void this.#answer(raw, true).then((answer) => {
        // The client may be gone: what cannot be sent is nobody's loss.
        if (answer !== undefined && !this.#closed) this.#udp.send(answer, port, address, () => undefined);
      });
    });
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on('connection', (socket) => this.#serveConnection(socket));
    await Promise.all([
      settled(this.#udp, (done) => this.#udp.bind({ fd: udp }, done)),
      settled(this.#tcp, (done) => this.#tcp.listen({ fd: tcp }, done)),
    ]);
    for (const server of [this.#udp, this.#tcp]) server.on('error', () => undefined).unref();
    const at = this.#tcp.address();
    return { udp: this.#udp.address().port, tcp: at !== null && typeof at === 'object' ? at.port : 0 };
  }

  #serveConnection(socket: Socket): void {
    this.#connections.add(socket);
    const reader = new MessageReader();
    let waiting = 0;
    let ended = false;
    const finish = (): void => {
      if (ended && waiting === 0) socket.end();
    };
    socket.setTimeout(IDLE, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('end', () => {
      ended = true;
      finish();
    });
    socket.on('data', (piece) => {
      for (const raw of reader.push(piece)) {
        waiting += 1;
        void this.#answer(raw, false).then((answer) => {
          waiting -= 1;
          if (answer !== undefined && socket.writable) socket.write(framed(answer));
          finish();
        });
      }
    });
  }

  /** Never rejects; undefined: nothing is sent. */
  async #answer(raw: Uint8Array, overUdp: boolean): Promise<Uint8Array | undefined> {
    const read = readQuery(raw);
    if (read.kind === 'ignore' || this.#closed) return undefined;
    if (read.kind === 'refusal') return read.answer;
    const { query } = read;
    try {
      const { table, containerId, service } = this.#options;
      const decision = decide(table, containerId, query, service.ndots);
      if (decision.kind === 'own') return ownAnswer(query, this.#inTurn(decision.answer), overUdp);
      if (decision.kind === 'closed' || this.#open >= MAX_OPEN) return failure(query, responseCode.serverFailure);
      return await this.#forward(query, overUdp);
    } catch {
      // The daemon is on its way down (its tables are closed): its successor answers the client's second try.
      return undefined;
    }
  }

  /** Of several containers each one is the first in its turn. */
  #inTurn(answer: OwnAnswer): OwnAnswer {
    if (answer.type !== 'A' && answer.type !== 'AAAA') return answer;
    const { addresses } = answer;
    const first = this.#turn++ % addresses.length;
    return { ...answer, addresses: [...addresses.slice(first), ...addresses.slice(0, first)] };
  }

  async #forward(query: Query, overUdp: boolean): Promise<Uint8Array | undefined> {
    this.#open += 1;
    try {
      const answer = await askServers(this.#servers(), query.raw, overUdp, this.#namespace);
      return answer === undefined ? failure(query, responseCode.serverFailure) : passOn(query, answer, overUdp);
    } finally {
      this.#open -= 1;
      if (this.#closed && this.#open === 0) close(this.#namespace);
    }
  }

  #servers(): readonly Server[] {
    const { service, host } = this.#options;
    if (service.servers.length > 0) return service.servers.map((address) => ({ address, fromHost: false }));
    return host.servers().map((address) => ({ address, fromHost: isLoopback(address) || isIPv6(address) }));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#udp.close();
    this.#tcp.close();
    for (const socket of this.#connections) socket.destroy();
    // Questions that are open still need it.
    if (this.#open === 0) close(this.#namespace);
  }
}

/** Begins, and waits for the beginning or the error. */
function settled(from: NodeJS.EventEmitter, begin: (done: () => void) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  from.once('error', reject);
  begin(() => {
    from.off('error', reject);
    resolve();
  });
  return promise;
}
