// Owns the sockets that keep the host's ports of published ports: no other program can take them, and `ss` shows them as taken. The
// packets never come here, the packet filter redirects them before; what slips through is refused, not kept waiting.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

export interface HeldPort {
  release(): void;
}

/**
 * Binds the port; rejects with Node's error (`code` EADDRINUSE, EADDRNOTAVAIL, EACCES). sctp has no socket here: its ports are kept by
 * the store alone.
 */
export function holdPort(protocol: 'tcp' | 'udp' | 'sctp', address: string, port: number): Promise<HeldPort> {
  if (protocol === 'tcp') return holdTcp(address, port);
  if (protocol === 'udp') return holdUdp(address, port);
  return Promise.resolve({ release: () => undefined });
}

function holdTcp(address: string, port: number): Promise<HeldPort> {
  const { promise, resolve, reject } = Promise.withResolvers<HeldPort>();
  const server = createServer((socket) => socket.destroy());
  server.on('error', reject);
  server.listen({ host: address, port, exclusive: true, ipv6Only: true, backlog: 1 }, () => {
    server.unref();
    resolve({ release: () => void server.close() });
  });
  return promise;
}

function holdUdp(address: string, port: number): Promise<HeldPort> {
  const { promise, resolve, reject } = Promise.withResolvers<HeldPort>();
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', ipv6Only: true });
  socket.on('error', reject);
  socket.bind({ address, port, exclusive: true }, () => {
    socket.unref();
    resolve({ release: () => void socket.close() });
  });
  return promise;
}
