// Owns the kernel's side of bridge networks: bridges, container links and rules, from rows. It writes no row and appends no event.
import { openNetlink } from '../../addon/index.ts';
import { messageOf, unavailable } from '../base/errors.ts';
import type { EndpointRow, NetworkRow, PortRow } from '../store/networks.ts';
import type { Iptables } from '../supervisor/firewall/iptables.ts';
import type {
  FirewallAudit,
  FirewallBridge,
  FirewallPort,
  FirewallState,
  IpFamily,
} from '../supervisor/firewall/rules.ts';
import {
  deleteDefaultRoute,
  dumpAddresses,
  dumpRoutes,
  newDefaultRoute,
  readAddresses,
  readRoutes,
} from '../supervisor/network/address.ts';
import { ensureBridge, findLink, removeBridge } from '../supervisor/network/bridge.ts';
import { formatPrefix, masked, type Prefix, parseMac } from '../supervisor/network/ip-address.ts';
import { deleteLink, dumpLinks, getLink, readLinks, setBridgePort } from '../supervisor/network/link.ts';
import { RouteSocket } from '../supervisor/network/route-socket.ts';
import { NetlinkError } from '../supervisor/network/rtnetlink.ts';
import { readSysctl, writeSysctl } from '../supervisor/network/sysctl.ts';
import { makeVeth } from '../supervisor/network/veth.ts';
import { type BridgeOptions, parseBridgeOptions } from './bridge-options.ts';
import { storedAddress, storedPrefix } from './ipam.ts';
import { bridgeMacOf, linkPrefix, ownerOf } from './names.ts';
import type { Sandbox } from './types.ts';

export interface Log {
  warn(details: object, message: string): void;
}

export interface BridgeDriverOptions {
  readonly instance: string;
  readonly iptables: Iptables | undefined;
  readonly mtu: number;
  readonly ipForward: boolean;
  /** Leaves the policy of FORWARD alone even when this daemon turns forwarding on. */
  readonly ipForwardNoDrop: boolean;
  readonly log: Log;
}

/** What an endpoint's link is for. */
export interface LinkUse {
  readonly defaultRoute: boolean;
  readonly publishes: boolean;
}

const isGone = (error: unknown): boolean => error instanceof NetlinkError && error.code === 'ENODEV';

/** The firewall's view of the networks: bridges with a subnet of the family. */
export function firewallBridges(networks: readonly NetworkRow[], family: IpFamily): readonly FirewallBridge[] {
  return networks.flatMap((network) => {
    if (network.link === '') return [];
    const options = parseBridgeOptions(network.options);
    const subnets = network.pools
      .map((pool) => storedPrefix(pool.subnet))
      .filter((subnet) => subnet.address.family === family)
      .map((subnet) => formatPrefix(masked(subnet)));
    if (subnets.length === 0 && family === 6) return [];
    return [
      { link: network.link, subnets, masquerade: options.masquerade, icc: options.icc, internal: network.internal },
    ];
  });
}

const usesIPv6 = (networks: readonly NetworkRow[]): boolean =>
  networks.some((network) => network.link !== '' && network.enableIPv6);

export class BridgeDriver {
  readonly #options: BridgeDriverOptions;
  readonly #host: RouteSocket;
  readonly #background: RouteSocket;
  readonly #indexes = new Map<string, number>();
  #deletions: Promise<unknown> = Promise.resolve();

  private constructor(options: BridgeDriverOptions, host: RouteSocket, background: RouteSocket) {
    this.#options = options;
    this.#host = host;
    this.#background = background;
  }

  /** Opens the sockets in the daemon's network namespace. */
  static async open(options: BridgeDriverOptions): Promise<BridgeDriver> {
    const host = new RouteSocket(await openNetlink());
    return new BridgeDriver(options, host, new RouteSocket(await openNetlink()));
  }

  /** What the host uses by addresses and routes, apart from default routes and the named bridges' own. */
  async hostPrefixes(exceptLinks: ReadonlySet<string>): Promise<readonly Prefix[]> {
    const links = readLinks(await this.#host.request([dumpLinks()]));
    const except = new Set(links.filter((link) => exceptLinks.has(link.name)).map((link) => link.index));
    const addresses = readAddresses(await this.#host.request([dumpAddresses()]));
    const routes = readRoutes(await this.#host.request([dumpRoutes()]));
    return [
      ...addresses.filter((one) => !except.has(one.index)).map((one) => masked(one.prefix)),
      ...routes.filter((one) => !except.has(one.index) && one.destination.bits > 0).map((one) => one.destination),
    ];
  }

  /** The addresses of an existing bridge that somebody else made; undefined when it is not there or is this daemon's. */
  async foreignBridgeAddresses(name: string): Promise<readonly Prefix[] | undefined> {
    const link = await findLink(this.#host, name);
    if (link === undefined || link.kind !== 'bridge' || link.alias.startsWith('tsd:')) return undefined;
    const addresses = readAddresses(await this.#host.request([dumpAddresses()]));
    return addresses.filter((one) => one.index === link.index).map((one) => one.prefix);
  }

  /** Makes or adopts the network's bridge. */
  async ensure(network: NetworkRow): Promise<number> {
    const { mtu } = parseBridgeOptions(network.options);
    const bridge = await ensureBridge(this.#host, {
      name: network.link,
      owner: ownerOf(this.#options.instance),
      mac: bridgeMacOf(network.id),
      mtu: mtu || this.#options.mtu,
      addresses: network.pools.map((pool) => ({
        address: storedAddress(pool.gateway),
        bits: storedPrefix(pool.subnet).bits,
      })),
    });
    this.#indexes.set(network.id, bridge.index);
    return bridge.index;
  }

  async removeBridgeOf(network: NetworkRow): Promise<void> {
    this.#indexes.delete(network.id);
    await removeBridge(this.#host, network.link, ownerOf(this.#options.instance));
  }

  /** The endpoint's link with addresses and routes. After a rejection nothing is left. */
  async connect(network: NetworkRow, endpoint: EndpointRow, sandbox: Sandbox, how: LinkUse): Promise<void> {
    const options = parseBridgeOptions(network.options);
    const index = this.#indexes.get(network.id) ?? (await this.ensure(network));
    try {
      await this.#makeLink(network, endpoint, sandbox, how, options, index);
    } catch (error) {
      await this.#deleteLinks([endpoint.hostLink]);
      // Somebody deleted the bridge behind our back: make it once more.
      const present = await findLink(this.#host, network.link);
      if (present?.index === index) throw error;
      await this.#makeLink(network, endpoint, sandbox, how, options, await this.ensure(network));
    }
  }

  async #makeLink(
    network: NetworkRow,
    endpoint: EndpointRow,
    sandbox: Sandbox,
    how: LinkUse,
    options: BridgeOptions,
    master: number,
  ): Promise<void> {
    const addresses: Prefix[] = [];
    if (endpoint.ipAddress !== '') {
      addresses.push({ address: storedAddress(endpoint.ipAddress), bits: endpoint.prefixLength });
    }
    if (endpoint.ipv6Address !== '') {
      addresses.push({ address: storedAddress(endpoint.ipv6Address), bits: endpoint.ipv6PrefixLength });
    }
    const gateways =
      how.defaultRoute && !network.internal ? [endpoint.gateway, endpoint.ipv6Gateway].filter((one) => one !== '') : [];
    await makeVeth(this.#host, new RouteSocket(sandbox.netlink), {
      hostName: endpoint.hostLink,
      owner: ownerOf(this.#options.instance),
      peerName: endpoint.interfaceName,
      peerNamespace: sandbox.namespace,
      peerMac: parseMac(endpoint.macAddress) ?? new Uint8Array(6),
      master,
      mtu: options.mtu || this.#options.mtu || 1500,
      addresses,
      gateways: gateways.map(storedAddress),
      isolated: !options.icc,
      // A container that asks for its own published port: where bridged frames pass the rules (bridge-nf-call-iptables), the answer
      // leaves by the port that it came from.
      hairpin: how.publishes,
    });
  }

  /** In a running container: the default routes go through this endpoint, of each family that it has a gateway of; of none without one. */
  async setDefaultRoute(endpoint: EndpointRow | undefined, sandbox: Sandbox): Promise<void> {
    const inside = new RouteSocket(sandbox.netlink);
    const gateways = [endpoint?.gateway ?? '', endpoint?.ipv6Gateway ?? ''].filter((one) => one !== '');
    const batch = [deleteDefaultRoute(4), deleteDefaultRoute(6)];
    if (endpoint !== undefined && gateways.length > 0) {
      const link = readLinks(await inside.request([getLink(endpoint.interfaceName)]))[0];
      if (link === undefined) throw new Error(`the container's interface ${endpoint.interfaceName} is gone`);
      batch.push(...gateways.map((gateway) => newDefaultRoute(link.index, storedAddress(gateway))));
    }
    await inside.request(batch);
  }

  /** The endpoint publishes ports from now on: see makeLink's hairpin. */
  async setPublishing(network: NetworkRow, endpoint: EndpointRow): Promise<void> {
    const link = await findLink(this.#host, endpoint.hostLink);
    if (link === undefined) return;
    const isolated = !parseBridgeOptions(network.options).icc;
    await this.#host.request([setBridgePort(link.index, { isolated, hairpin: true })]);
  }

  /** Removes links behind the caller's back: the kernel takes its time for it (RCU), and most are gone with their namespace already. */
  disconnect(hostLinks: readonly string[]): void {
    const names = hostLinks.filter((name) => name !== '');
    if (names.length === 0) return;
    this.#deletions = Promise.allSettled([this.#deletions, this.#deleteLinks(names)]);
  }

  /** Resolves when all links that were to go are gone. */
  async settled(): Promise<void> {
    await this.#deletions;
  }

  async #deleteLinks(names: readonly string[]): Promise<void> {
    try {
      const { refused } = await this.#background.attempt(names.map((name) => deleteLink(name)));
      for (const refusal of refused.values()) {
        if (!isGone(refusal)) this.#options.log.warn({ err: refusal }, 'a container link could not be removed');
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'container links could not be removed');
    }
  }

  /** Names of all links, and of those that are this instance's: by their alias, or by their name when they were cut off before they got it. */
  async links(): Promise<{ readonly present: ReadonlySet<string>; readonly own: readonly string[] }> {
    const prefix = linkPrefix(this.#options.instance);
    const owner = ownerOf(this.#options.instance);
    const links = readLinks(await this.#host.request([dumpLinks()]));
    const own = links.filter(
      ({ alias, kind, name }) => alias === owner || (kind === 'veth' && alias === '' && name.startsWith(prefix)),
    );
    return { present: new Set(links.map(({ name }) => name)), own: own.map(({ name }) => name) };
  }

  /** Resolves when they are gone. */
  removeLinks(names: readonly string[]): Promise<void> {
    return this.#deleteLinks(names);
  }

  /**
   * Turns on forwarding where a network needs it. The families for which it was off before: the host was no router until now, and only
   * what the rules allow is to pass from here on.
   */
  enableForwarding(networks: readonly NetworkRow[]): ReadonlySet<IpFamily> {
    const turnedOn = new Set<IpFamily>();
    const bridged = networks.filter((network) => network.link !== '');
    if (!this.#options.ipForward || bridged.length === 0) return turnedOn;
    const wanted: (readonly [IpFamily, readonly string[]])[] = [[4, ['ipv4', 'ip_forward']]];
    if (bridged.some((network) => network.enableIPv6)) wanted.push([6, ['ipv6', 'conf', 'all', 'forwarding']]);
    for (const [family, name] of wanted) {
      if (readSysctl(...name) !== '0') continue;
      try {
        writeSysctl('1', ...name);
      } catch (error) {
        throw unavailable(
          `cannot turn on forwarding (net.${name.join('.')}): ${messageOf(error)}; set it on the host, or start the daemon with --ip-forward=false`,
          error,
        );
      }
      if (!this.#options.ipForwardNoDrop) turnedOn.add(family);
    }
    return turnedOn;
  }

  /** Makes the rules say what the rows say. `withPorts` false leaves the published ports as they are. */
  async applyFirewall(
    networks: readonly NetworkRow[],
    ports: readonly FirewallPort[],
    how: { readonly withPorts: boolean; readonly dropForward: ReadonlySet<IpFamily> },
  ): Promise<void> {
    const { iptables } = this.#options;
    if (iptables === undefined) return;
    // Once made, the rules of IPv6 follow the last network that had them.
    const families: readonly IpFamily[] = usesIPv6(networks) || iptables.hasApplied(6) ? [4, 6] : [4];
    for (const family of families) {
      const state: Omit<FirewallState, 'instance' | 'userChain'> = {
        bridges: firewallBridges(networks, family),
        ports,
        dropForward: how.dropForward.has(family),
      };
      await iptables.apply(state, family, how.withPorts);
    }
  }

  /** How the rules differ from what the rows say. Nothing, when the daemon has no rules. */
  async auditFirewall(networks: readonly NetworkRow[], ports: readonly FirewallPort[]): Promise<FirewallAudit> {
    const { iptables } = this.#options;
    if (iptables === undefined) return { stray: [], missing: [] };
    const audits = [];
    for (const family of [4, 6] as const) {
      const required = family === 4 || usesIPv6(networks);
      audits.push(await iptables.audit({ bridges: firewallBridges(networks, family), ports, required }, family));
    }
    return { stray: audits.flatMap(({ stray }) => stray), missing: audits.flatMap(({ missing }) => missing) };
  }

  /** Removes the rules and chains of this instance that no row has. */
  async removeStrayRules(networks: readonly NetworkRow[], ports: readonly FirewallPort[]): Promise<void> {
    const { stray } = await this.auditFirewall(networks, ports);
    await this.#options.iptables?.removeRules(stray);
  }

  close(): void {
    this.#host.close();
    this.#background.close();
  }
}

/** Port rows with the bridge they lead to. */
export function firewallPorts(
  rows: readonly PortRow[],
  linkOf: (endpointId: string) => string | undefined,
): readonly FirewallPort[] {
  return rows.flatMap((row) => {
    const link = linkOf(row.endpointId);
    if (link === undefined) return [];
    const { protocol, hostIp, hostPort, containerIp, containerPort } = row;
    return [{ link, protocol, hostIp, hostPort, containerIp, containerPort }];
  });
}
