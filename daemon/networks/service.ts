// Owns the networks service: the rows of networks and endpoints, in step with the kernel through BridgeDriver and PortPublisher.
// An await never stands inside a transaction: intent, kernel, outcome. Nothing here knows HTTP or how a container runs.
import type { EndpointSettings } from '../../api-spec/index.ts';
import { conflict, EngineError, forbidden, internal, invalidArgument, notFound, withContext } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import { nowNs } from '../base/time.ts';
import type { Database } from '../store/database.ts';
import type { EventTable } from '../store/events.ts';
import { type EndpointRow, type NetworkRow, NetworkTable, type PoolRow } from '../store/networks.ts';
import { Iptables } from '../supervisor/firewall/iptables.ts';
import {
  formatAddress,
  formatPrefix,
  masked,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../supervisor/network/ip-address.ts';
import { createNamespace, openNamespace } from '../supervisor/network/netns.ts';
import { allocate, reserve } from './allocate.ts';
import { BridgeDriver, firewallPorts, type Log } from './bridge-driver.ts';
import { parseBridgeOptions } from './bridge-options.ts';
import { chooseSubnet, DEFAULT_POOLS, type DefaultPool, defaultGateway, localPool, storedPrefix } from './ipam.ts';
import { bridgeLinkOf, hostLinkOf, macOf } from './names.ts';
import { bridgeNetwork, type DefaultBridgeConfig, hostNetwork, noneNetwork } from './predefined.ts';
import { pruneFilter } from './prune-filter.ts';
import { PortPublisher } from './publish.ts';
import type { Endpoint, IpamPool, Network, NetworkCreate, Networks, PortRequest, Sandbox } from './types.ts';
import { isPredefined, readSettings, validateCreate } from './validate.ts';

/** dockerd's settings of the same names. */
export interface NetworksConfig extends DefaultBridgeConfig {
  readonly instance: string;
  /** Empty: Docker's own. */
  readonly defaultAddressPools: readonly DefaultPool[];
  readonly iptables: boolean;
  readonly ipForward: boolean;
  readonly ipForwardNoDrop: boolean;
}

type AttachRequest = Parameters<Networks['attach']>[0];

/** What attach wrote and attached so far; undone as a whole when a step fails. */
interface Draft {
  readonly network: NetworkRow;
  readonly endpoint: EndpointRow;
}

export class NetworkService implements Networks {
  readonly #config: NetworksConfig;
  readonly #database: Database;
  readonly #table: NetworkTable;
  readonly #events: EventTable;
  readonly #log: Log;
  readonly #iptables: Iptables | undefined;
  readonly #publisher: PortPublisher;
  readonly #locks = new KeyedLock();
  #driver: BridgeDriver | undefined;

  constructor(config: NetworksConfig, database: Database, events: EventTable, log: Log) {
    this.#config = config;
    this.#database = database;
    this.#table = new NetworkTable(database);
    this.#events = events;
    this.#log = log;
    this.#iptables = config.iptables ? new Iptables(config.instance) : undefined;
    this.#publisher = new PortPublisher(this.#iptables, (protocol, hostIp, hostPort) =>
      this.#table.hasPort(protocol, hostIp, hostPort),
    );
  }

  // Boot

  async restore(): Promise<void> {
    const driver = await BridgeDriver.open({ ...this.#config, iptables: this.#iptables, log: this.#log });
    this.#driver = driver;
    await this.#restorePredefined(driver);
    for (const endpoint of this.#table.endpoints()) {
      // An attach that was cut off; the container's start is undone by its own room.
      if (!endpoint.ready) this.#forget(endpoint);
    }
    const networks = this.#table.list();
    const dropForward = driver.enableForwarding(networks);
    for (const network of networks) {
      if (network.link === '') continue;
      try {
        await driver.ensure(network);
      } catch (error) {
        if (network.name === 'bridge') throw withContext(`network bridge: ${network.link}`, error);
        this.#log.warn({ err: error, network: network.name }, 'the bridge of a network could not be restored');
      }
    }
    await driver.applyFirewall(networks, this.#ports(), { withPorts: true, dropForward });
    await this.#holdPorts();
  }

  async #restorePredefined(driver: BridgeDriver): Promise<void> {
    this.#database.transaction(() => {
      if (this.#table.byName('host') === undefined) this.#table.insert(hostNetwork());
      if (this.#table.byName('none') === undefined) this.#table.insert(noneNetwork());
    });
    const previous = this.#table.byName('bridge');
    if (this.#config.bridge === 'none') {
      if (previous !== undefined && this.#table.endpointsOnNetwork(previous.id).length === 0) {
        this.#table.delete(previous.id);
        await driver.removeBridgeOf(previous);
      }
      return;
    }
    const foreign = await driver.foreignBridgeAddresses(this.#config.bridge);
    const others = this.#table.list().filter((network) => network.id !== previous?.id);
    const ownLinks = new Set([this.#config.bridge, previous?.link ?? '']);
    const taken = [...(await driver.hostPrefixes(ownLinks)), ...subnetsOf(others)];
    const wanted = bridgeNetwork(this.#config, previous, this.#pools(), taken, foreign);
    const busy = previous !== undefined && this.#table.endpointsOnNetwork(previous.id).length > 0;
    if (busy && (previous.link !== wanted.link || previous.pools[0]?.subnet !== wanted.pools[0]?.subnet)) {
      this.#log.warn(
        { network: 'bridge' },
        'containers run on the default bridge: its new name or subnet is taken when they have ended',
      );
      return;
    }
    this.#database.transaction(() => {
      if (previous !== undefined && busy) {
        this.#table.updateOptions(previous.id, wanted.options);
        return;
      }
      if (previous !== undefined) this.#table.delete(previous.id);
      this.#table.insert(wanted);
      reserve(this.#table, wanted);
    });
    if (previous !== undefined && previous.link !== wanted.link) await driver.removeBridgeOf(previous);
  }

  async #holdPorts(): Promise<void> {
    const byEndpoint = Map.groupBy(this.#table.ports(), (row) => row.endpointId);
    for (const [endpointId, rows] of byEndpoint) {
      const problems = await this.#publisher.holdAgain(
        endpointId,
        firewallPorts(rows, () => ''),
      );
      if (problems.length > 0)
        this.#log.warn(
          { endpointId, problems },
          'published ports are redirected, but their sockets could not be held again',
        );
    }
  }

  async sweep(alive: ReadonlySet<string>): Promise<void> {
    for (const endpoint of this.#table.endpoints()) {
      if (!alive.has(endpoint.containerId)) await this.#detachOne(endpoint);
    }
    await this.#kernel().settled();
    const keep = new Set<string>();
    for (const network of this.#table.list()) keep.add(network.link);
    for (const endpoint of this.#table.endpoints()) keep.add(endpoint.hostLink);
    await this.#kernel().sweep(keep);
  }

  /** Closes sockets and lets the ports go; links, rules and containers stay. */
  close(): void {
    this.#publisher.releaseAll();
    this.#driver?.close();
    this.#driver = undefined;
  }

  /** Resolves when links that were to be removed in the background are gone. */
  async settled(): Promise<void> {
    await this.#driver?.settled();
  }

  // Networks

  list(): readonly Network[] {
    return this.#table.list().map(networkOf);
  }

  get(reference: string): Network {
    return networkOf(this.#find(reference));
  }

  async create(request: NetworkCreate): Promise<{ readonly id: string; readonly warning: string }> {
    validateCreate(request);
    const options = parseBridgeOptions(request.options);
    const driver = this.#kernel();
    const taken = await driver.hostPrefixes(new Set());
    const id = newId();
    const link = options.name === '' ? bridgeLinkOf(id) : options.name;
    return this.#locks.run(`link ${link}`, async () => {
      const network = this.#insert(request, id, link, taken);
      try {
        const dropForward = driver.enableForwarding([network]);
        await driver.ensure(network);
        await driver.applyFirewall(this.#table.list(), this.#ports(), { withPorts: false, dropForward });
      } catch (error) {
        this.#table.delete(id);
        await this.#takeDown(network);
        throw withContext(`Failed to create network ${network.name}`, error);
      }
      this.#tell(network, 'create', {});
      return { id, warning: '' };
    });
  }

  /** The row with its pools chosen, in one transaction: two creates never get overlapping subnets. */
  #insert(request: NetworkCreate, id: string, link: string, taken: readonly Prefix[]): NetworkRow {
    return this.#database.transaction(() => {
      if (this.#table.byName(request.name) !== undefined) {
        throw conflict(`network with name ${request.name} already exists`);
      }
      const networks = this.#table.list();
      const sameLink = networks.find((network) => network.link === link);
      if (sameLink !== undefined) {
        throw conflict(`interface ${link} already belongs to network ${sameLink.name}`);
      }
      const row: NetworkRow = {
        id,
        name: request.name,
        driver: 'bridge',
        createdNs: nowNs(),
        internal: request.internal,
        attachable: request.attachable,
        enableIPv4: request.enableIPv4,
        enableIPv6: request.enableIPv6,
        ipamDriver: 'default',
        ipamOptions: request.ipam.options,
        options: request.options,
        labels: request.labels,
        link,
        pools: this.#choosePools(request, subnetsOf(networks), taken),
      };
      this.#table.insert(row);
      reserve(this.#table, row);
      return row;
    });
  }

  #pools(): readonly DefaultPool[] {
    return this.#config.defaultAddressPools.length > 0 ? this.#config.defaultAddressPools : DEFAULT_POOLS;
  }

  #choosePools(request: NetworkCreate, used: readonly Prefix[], taken: readonly Prefix[]): readonly PoolRow[] {
    const named = request.ipam.pools
      .filter((pool) => (pool.subnet ?? '') !== '')
      .map((pool) => namedPool(pool))
      .filter((pool) => {
        const { family } = storedPrefix(pool.subnet).address;
        return family === 4 ? request.enableIPv4 : request.enableIPv6;
      });
    const busy = [...used];
    for (const pool of named) {
      const subnet = storedPrefix(pool.subnet);
      if (busy.some((other) => overlaps(other, subnet))) {
        throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
      }
      busy.push(subnet);
    }
    const has = (family: 4 | 6): boolean => named.some((pool) => storedPrefix(pool.subnet).address.family === family);
    const pools = [...named];
    for (const family of [4, 6] as const) {
      if (!(family === 4 ? request.enableIPv4 : request.enableIPv6) || has(family)) continue;
      const local = family === 6 ? [localPool(this.#config.instance)] : [];
      const subnet = chooseSubnet([...this.#pools(), ...local], family, [...busy, ...taken]);
      if (subnet === undefined) throw invalidArgument('all predefined address pools have been fully subnetted');
      pools.push(chosenPool(subnet));
    }
    return pools;
  }

  async remove(reference: string): Promise<void> {
    const network = this.#find(reference);
    if (isPredefined(network.name)) throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
    await this.#locks.run(`link ${network.link}`, async () => {
      this.#database.transaction(() => {
        const active = this.#table.endpointsOnNetwork(network.id);
        if (active.length > 0) throw forbidden(`error while removing network: ${inUse(network, active)}`);
        if (!this.#table.delete(network.id)) throw notFound(`network ${reference} not found`);
        this.#tell(network, 'destroy', {});
      });
      await this.#takeDown(network);
    });
  }

  async #takeDown(network: NetworkRow): Promise<void> {
    try {
      await this.#kernel().removeBridgeOf(network);
      await this.#rebuildRules(false);
    } catch (error) {
      this.#log.warn(
        { err: error, network: network.name },
        'a network was removed, but not all of it is gone; the next start sweeps it',
      );
    }
  }

  async prune(filters: Readonly<Record<string, readonly string[]>>): Promise<readonly string[]> {
    const wanted = pruneFilter(filters, nowNs());
    const deleted: string[] = [];
    for (const network of this.#table.list()) {
      if (isPredefined(network.name) || !wanted(network)) continue;
      if (this.#table.endpointsOnNetwork(network.id).length > 0) continue;
      try {
        await this.remove(network.id);
        deleted.push(network.name);
      } catch (error) {
        // In use or gone since we looked.
        if (!(error instanceof EngineError) || (error.kind !== 'forbidden' && error.kind !== 'not-found')) throw error;
      }
    }
    return deleted;
  }

  // Endpoints

  async createSandbox(): Promise<Sandbox> {
    try {
      return await createNamespace();
    } catch (error) {
      throw withContext('create network namespace', error);
    }
  }

  async openSandbox(pid: number): Promise<Sandbox> {
    try {
      return await openNamespace(pid);
    } catch (error) {
      throw withContext(`open network namespace of process ${pid}`, error);
    }
  }

  validate(reference: string, settings: EndpointSettings): void {
    const network = this.#lookup(reference);
    const name = network?.name ?? (reference === 'default' ? 'bridge' : reference);
    readSettings(
      name,
      settings,
      network?.pools.map((pool) => storedPrefix(pool.subnet)),
    );
  }

  async attach(request: AttachRequest): Promise<Endpoint> {
    const draft = this.#draft(request);
    if (draft.network.link === '') return this.#endpoint(draft.endpoint);
    try {
      await this.#connect(draft, request);
    } catch (error) {
      await this.#undo(draft.endpoint);
      throw error;
    }
    this.#database.transaction(() => {
      this.#table.markReady(draft.endpoint.id);
      this.#tell(draft.network, 'connect', { ...request.attributes, container: request.containerId });
    });
    return this.#endpoint(draft.endpoint);
  }

  /** The intent: the endpoint's row with its addresses. Endpoints without a link are complete with it. */
  #draft(request: AttachRequest): Draft {
    return this.#database.transaction(() => {
      const network = this.#find(request.network);
      const twin = this.#table.endpointsOfContainer(request.containerId).find((one) => one.networkId === network.id);
      if (twin !== undefined) {
        throw forbidden(
          `endpoint with name ${request.containerName ?? request.containerId} already exists in network ${network.name}`,
        );
      }
      const linked = network.link !== '';
      const pools = network.pools.map((pool) => storedPrefix(pool.subnet));
      const settings = readSettings(network.name, request.settings, linked ? pools : undefined);
      const id = newId();
      const v4 = linked ? allocate(this.#table, network, 4, settings.ipv4, id) : undefined;
      const v6 = linked ? allocate(this.#table, network, 6, settings.ipv6, id) : undefined;
      const endpoint: EndpointRow = {
        id,
        networkId: network.id,
        containerId: request.containerId,
        containerName: request.containerName ?? '',
        ready: !linked,
        ipAddress: v4?.address ?? '',
        prefixLength: v4?.prefixLength ?? 0,
        gateway: v4?.gateway ?? '',
        ipv6Address: v6?.address ?? '',
        ipv6PrefixLength: v6?.prefixLength ?? 0,
        ipv6Gateway: v6?.gateway ?? '',
        macAddress: linked ? settings.mac || macOf(v4?.address ?? '', id) : '',
        hostLink: linked ? hostLinkOf(this.#config.instance, id) : '',
        interfaceName: linked ? `${parseBridgeOptions(network.options).interfacePrefix}${request.index}` : '',
        aliases: settings.aliases,
      };
      this.#table.insertEndpoint(endpoint);
      if (!linked) this.#tell(network, 'connect', { ...request.attributes, container: request.containerId });
      return { network, endpoint };
    });
  }

  async #connect(draft: Draft, request: AttachRequest): Promise<void> {
    const { network, endpoint } = draft;
    const { sandbox } = request;
    if (sandbox === undefined) throw internal(`network ${network.name} needs a network namespace`);
    const ports = request.defaultRoute && !network.internal ? (request.ports ?? []) : [];
    if (ports.length > 0) await this.#publish(draft, ports);
    try {
      const use = { defaultRoute: request.defaultRoute, publishes: ports.length > 0 };
      await this.#kernel().connect(network, endpoint, sandbox, use);
    } catch (error) {
      throw withContext(`attach to network ${network.name}`, error);
    }
  }

  async #publish({ network, endpoint }: Draft, requests: readonly PortRequest[]): Promise<void> {
    const what = `driver failed programming external connectivity on endpoint ${endpoint.containerName || endpoint.containerId} (${endpoint.id})`;
    try {
      const { hostBinding } = parseBridgeOptions(network.options);
      const owner = {
        endpointId: endpoint.id,
        link: network.link,
        hostBinding,
        ipAddress: endpoint.ipAddress,
        ipv6Address: endpoint.ipv6Address,
      };
      const ports = await this.#publisher.hold(owner, requests);
      this.#database.transaction(() => {
        for (const port of ports) {
          if (!this.#table.insertPort({ ...port, endpointId: endpoint.id })) {
            throw internal(`Bind for ${port.hostIp}:${port.hostPort} failed: port is already allocated`);
          }
        }
      });
      await this.#publisher.publish(ports);
    } catch (error) {
      throw withContext(what, error);
    }
  }

  async #undo(endpoint: EndpointRow): Promise<void> {
    const withdrawn = await this.#withdraw(endpoint);
    this.#forget(endpoint);
    if (!withdrawn) await this.#rebuildPorts();
  }

  #forget(endpoint: EndpointRow): void {
    this.#table.deleteEndpoint(endpoint.id);
    this.#driver?.disconnect([endpoint.hostLink]);
  }

  /** False when the rules are not as expected (never made, or flushed by somebody): they are to be made anew once the rows are gone. */
  async #withdraw(endpoint: EndpointRow): Promise<boolean> {
    try {
      await this.#publisher.withdraw(endpoint.id, this.#portsOf(endpoint));
      return true;
    } catch (error) {
      this.#log.warn({ err: error, endpoint: endpoint.id }, 'published ports could not be withdrawn one by one');
      this.#publisher.release(endpoint.id);
      return false;
    }
  }

  async #rebuildPorts(): Promise<void> {
    try {
      await this.#rebuildRules(true);
    } catch (error) {
      this.#log.warn({ err: error }, 'the rules of published ports could not be made anew');
    }
  }

  async #rebuildRules(withPorts: boolean): Promise<void> {
    await this.#kernel().applyFirewall(this.#table.list(), this.#ports(), { withPorts, dropForward: new Set() });
  }

  async detach(containerId: string, networkId?: string): Promise<void> {
    for (const endpoint of this.#table.endpointsOfContainer(containerId)) {
      if (networkId === undefined || endpoint.networkId === networkId) await this.#detachOne(endpoint);
    }
  }

  /** Rules go before the addresses are free: a new owner must not get the ports of the old one. */
  async #detachOne(endpoint: EndpointRow): Promise<void> {
    const withdrawn = await this.#withdraw(endpoint);
    this.#database.transaction(() => {
      const network = this.#table.byId(endpoint.networkId);
      if (!this.#table.deleteEndpoint(endpoint.id) || network === undefined) return;
      this.#tell(network, 'disconnect', { container: endpoint.containerId });
    });
    this.#kernel().disconnect([endpoint.hostLink]);
    if (!withdrawn) await this.#rebuildPorts();
  }

  endpointsOf(containerId: string): readonly Endpoint[] {
    return this.#table.endpointsOfContainer(containerId).map((row) => this.#endpoint(row));
  }

  endpointsOn(networkId: string): readonly Endpoint[] {
    return this.#table.endpointsOnNetwork(networkId).map((row) => this.#endpoint(row));
  }

  // Helpers

  #kernel(): BridgeDriver {
    if (this.#driver === undefined) throw internal('networks are not restored yet');
    return this.#driver;
  }

  #ports(): ReturnType<typeof firewallPorts> {
    const links = new Map(this.#table.list().map((network) => [network.id, network.link]));
    const owners = new Map(this.#table.endpoints().map((endpoint) => [endpoint.id, links.get(endpoint.networkId)]));
    return firewallPorts(this.#table.ports(), (endpointId) => owners.get(endpointId));
  }

  #portsOf(endpoint: EndpointRow): ReturnType<typeof firewallPorts> {
    const link = this.#table.byId(endpoint.networkId)?.link;
    return firewallPorts(this.#table.portsOf(endpoint.id), () => link);
  }

  #endpoint(row: EndpointRow): Endpoint {
    const ports = this.#table
      .portsOf(row.id)
      .map(({ protocol, containerPort, hostIp, hostPort }) => ({ protocol, containerPort, hostIp, hostPort }));
    return { ...row, ports };
  }

  /** Name, id or unique prefix of an id, in this order; undefined when there is none. */
  #lookup(reference: string): NetworkRow | undefined {
    const name = reference === 'default' ? 'bridge' : reference;
    const exact = this.#table.byId(name) ?? this.#table.byName(name);
    if (exact !== undefined || !/^[0-9a-f]+$/.test(name)) return exact;
    const matches = this.#table.byPrefix(name);
    if (matches.length > 1)
      throw invalidArgument(`network ${reference} is ambiguous (${matches.length} matches found on ID prefix)`);
    return matches[0];
  }

  #find(reference: string): NetworkRow {
    const network = this.#lookup(reference);
    if (network === undefined) throw notFound(`network ${reference} not found`);
    return network;
  }

  #tell(network: NetworkRow, action: string, attributes: Readonly<Record<string, string>>): void {
    this.#events.append({
      type: 'network',
      action,
      actorId: network.id,
      attributes: { ...attributes, name: network.name, type: network.driver },
    });
  }
}

const subnetsOf = (networks: readonly NetworkRow[]): readonly Prefix[] =>
  networks.flatMap((network) => network.pools.map((pool) => storedPrefix(pool.subnet)));

function inUse(network: NetworkRow, active: readonly EndpointRow[]): string {
  const users = active.map(
    (one) => `name:"${one.containerName || one.containerId.slice(0, 12)}" id:"${one.id.slice(0, 12)}"`,
  );
  return `network ${network.name} has active endpoints (${users.join(', ')})`;
}

const canonical = (text: string): string => {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
};

function namedPool(pool: Partial<IpamPool>): PoolRow {
  const subnet = masked(storedPrefix(pool.subnet ?? ''));
  const range = parsePrefix(pool.ipRange ?? '');
  const gateway = canonical(pool.gateway ?? '');
  return {
    subnet: formatPrefix(subnet),
    ipRange: range === undefined ? '' : formatPrefix(range),
    gateway: gateway === '' ? formatAddress(defaultGateway(subnet, range)) : gateway,
    auxAddresses: Object.fromEntries(
      Object.entries(pool.auxAddresses ?? {}).map(([name, text]) => [name, canonical(text)]),
    ),
    configured: true,
  };
}

const chosenPool = (subnet: Prefix): PoolRow => ({
  subnet: formatPrefix(subnet),
  ipRange: '',
  gateway: formatAddress(defaultGateway(subnet, undefined)),
  auxAddresses: {},
  configured: false,
});

/** The wire of the contract: without what only this room needs. */
function networkOf(row: NetworkRow): Network {
  const { link: _link, pools, driver, ...rest } = row;
  return {
    ...rest,
    driver: driver === 'host' || driver === 'null' ? driver : 'bridge',
    pools: pools.map(({ configured: _configured, ...pool }) => pool),
  };
}
