// Owns published ports: choosing and holding the host's port, and the rules that redirect it. The rows are written by the service.
import { internal, messageOf, notImplemented } from '../base/errors.ts';
import type { Iptables } from '../supervisor/firewall/iptables.ts';
import type { FirewallPort } from '../supervisor/firewall/rules.ts';
import { type HeldPort, holdPort } from '../supervisor/network/port-holder.ts';
import { readSysctl, writeSysctl } from '../supervisor/network/sysctl.ts';
import type { PortRequest } from './types.ts';

/** The endpoint whose ports are published. */
export interface PortOwner {
  readonly endpointId: string;
  readonly link: string;
  /** Empty when the network has not the family. */
  readonly ipAddress: string;
  readonly ipv6Address: string;
  /** The network's com.docker.network.bridge.host_binding_ipv4; empty: every address. */
  readonly hostBinding: string;
}

/** Is the port of that address kept by an endpoint of this daemon? */
type IsTaken = (protocol: string, hostIp: string, hostPort: number) => boolean;

const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
const shown = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** Holds the host's sockets of the published ports of this daemon, by endpoint. */
export class PortPublisher {
  readonly #iptables: Iptables | undefined;
  readonly #isTaken: IsTaken;
  readonly #held = new Map<string, HeldPort[]>();
  #nextEphemeral = 0;

  constructor(iptables: Iptables | undefined, isTaken: IsTaken) {
    this.#iptables = iptables;
    this.#isTaken = isTaken;
  }

  /**
   * Finds and holds the ports. Rejects when one is taken; then none is held. Ephemeral ones are of the kernel's own range
   * (net.ipv4.ip_local_port_range).
   */
  async hold(owner: PortOwner, requests: readonly PortRequest[]): Promise<readonly FirewallPort[]> {
    if (requests.length === 0) return [];
    if (this.#iptables === undefined) {
      throw notImplemented('ports cannot be published: the daemon was started with --iptables=false');
    }
    const held: HeldPort[] = [];
    const ports: FirewallPort[] = [];
    try {
      for (const request of requests) {
        const taken = await this.#holdOne(owner, request);
        held.push(...taken.map((one) => one.held));
        ports.push(...taken.map((one) => one.port));
      }
    } catch (error) {
      for (const one of held) one.release();
      throw error;
    }
    this.#held.set(owner.endpointId, held);
    return ports;
  }

  /** Holds ports again that were published by an earlier run of the daemon; reports those that it cannot have. */
  async holdAgain(endpointId: string, ports: readonly FirewallPort[]): Promise<readonly string[]> {
    const held: HeldPort[] = [];
    const problems: string[] = [];
    for (const port of ports) {
      try {
        held.push(await holdPort(port.protocol, port.hostIp, port.hostPort));
      } catch (error) {
        problems.push(`${shown(port.hostIp)}:${port.hostPort}/${port.protocol}: ${messageOf(error)}`);
      }
    }
    this.#held.set(endpointId, held);
    return problems;
  }

  /** Brings the redirections into the kernel. */
  async publish(ports: readonly FirewallPort[]): Promise<void> {
    if (ports.length === 0) return;
    // What comes from 127.0.0.1 may only be sent out over a bridge that allows it; the raw table refuses the way back in.
    for (const link of new Set(ports.map((port) => port.link)))
      writeSysctl('1', 'ipv4', 'conf', link, 'route_localnet');
    await this.#iptables?.changePorts({ add: ports, remove: [] });
  }

  async withdraw(endpointId: string, ports: readonly FirewallPort[]): Promise<void> {
    if (ports.length > 0) await this.#iptables?.changePorts({ add: [], remove: ports });
    this.release(endpointId);
  }

  release(endpointId: string): void {
    for (const one of this.#held.get(endpointId) ?? []) one.release();
    this.#held.delete(endpointId);
  }

  releaseAll(): void {
    for (const endpointId of [...this.#held.keys()]) this.release(endpointId);
  }

  #targets(owner: PortOwner, hostIp: string): readonly { readonly hostIp: string; readonly containerIp: string }[] {
    const wanted = hostIp === '' ? owner.hostBinding : hostIp;
    const every = wanted === '';
    const v4 =
      every || (!wanted.includes(':') && wanted !== '')
        ? [{ hostIp: every ? '0.0.0.0' : wanted, containerIp: owner.ipAddress }]
        : [];
    const v6 = every || wanted.includes(':') ? [{ hostIp: every ? '::' : wanted, containerIp: owner.ipv6Address }] : [];
    return [...v4, ...v6].filter((target) => target.containerIp !== '');
  }

  async #holdOne(
    owner: PortOwner,
    request: PortRequest,
  ): Promise<readonly { readonly held: HeldPort; readonly port: FirewallPort }[]> {
    const targets = this.#targets(owner, request.hostIp);
    if (targets.length === 0) {
      throw internal(
        `cannot publish ${shown(request.hostIp)}:${request.containerPort}/${request.protocol}: the network has no address of that family`,
      );
    }
    let problem: unknown;
    for (const hostPort of this.#candidates(request)) {
      const held: HeldPort[] = [];
      try {
        for (const { hostIp } of targets) held.push(await this.#bind(owner, request, hostIp, hostPort));
        return targets.map(({ hostIp, containerIp }, index) => ({
          held: held[index] ?? { release: () => undefined },
          port: {
            link: owner.link,
            protocol: request.protocol,
            hostIp,
            hostPort,
            containerIp,
            containerPort: request.containerPort,
          },
        }));
      } catch (error) {
        for (const one of held) one.release();
        problem = error;
      }
    }
    throw problem ?? internal('all ports are allocated');
  }

  *#candidates(request: PortRequest): Generator<number> {
    if (request.hostPort !== 0) {
      for (let port = request.hostPort; port <= request.hostPortEnd; port += 1) yield port;
      return;
    }
    const [first = 32768, last = 60999] = (readSysctl('ipv4', 'ip_local_port_range') ?? '32768 60999')
      .split(/\s+/)
      .map(Number);
    const count = last - first + 1;
    for (let tried = 0; tried < count; tried += 1) {
      if (this.#nextEphemeral < first || this.#nextEphemeral > last) this.#nextEphemeral = first;
      yield this.#nextEphemeral++;
    }
  }

  async #bind(owner: PortOwner, request: PortRequest, hostIp: string, hostPort: number): Promise<HeldPort> {
    if (this.#isTaken(request.protocol, hostIp, hostPort)) {
      throw internal(`Bind for ${shown(hostIp)}:${hostPort} failed: port is already allocated`);
    }
    try {
      return await holdPort(request.protocol, hostIp, hostPort);
    } catch (error) {
      const container = `${owner.ipAddress || shown(owner.ipv6Address)}:${request.containerPort}/${request.protocol}`;
      const why = isErrno(error, 'EADDRINUSE')
        ? 'address already in use'
        : isErrno(error, 'EADDRNOTAVAIL')
          ? 'cannot assign requested address'
          : messageOf(error);
      throw internal(`failed to bind host port for ${shown(hostIp)}:${hostPort}:${container}: ${why}`, error);
    }
  }
}
