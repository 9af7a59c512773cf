// Owns the networks service: its rows of networks in step with the kernel. Endpoints, boot and the kernel's side have files of their own.
// Nothing here knows HTTP or how a container runs.
import type { EndpointSettings } from '../../api-spec/index.ts';
import { conflict, EngineError, forbidden, notFound, withContext } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import type { Leak } from '../base/leak.ts';
import { nowNs } from '../base/time.ts';
import type { Database } from '../store/database.ts';
import type { EventTable } from '../store/events.ts';
import type { EndpointRow, NetworkRow } from '../store/networks.ts';
import type { Prefix } from '../supervisor/network/ip-address.ts';
import { createNamespace, openNamespace } from '../supervisor/network/netns.ts';
import { reserve } from './allocate.ts';
import { defaultPoolsOf, hostPrefixes, restoreNetworks, sweepNetworks } from './boot.ts';
import type { Log } from './bridge-driver.ts';
import { parseBridgeOptions } from './bridge-options.ts';
import { type NetworksConfig, NetworksContext } from './context.ts';
import { Endpoints } from './endpoints.ts';
import { localPool } from './ipam.ts';
import { lookForNetworkLeaks } from './leaks.ts';
import { NameResolvers } from './names/service.ts';
import { bridgeLinkOf } from './names.ts';
import { choosePools, subnetsOf } from './pools.ts';
import { pruneFilter } from './prune-filter.ts';
import type { Endpoint, Network, NetworkCreate, Networks, Sandbox } from './types.ts';
import { isPredefined, readSettings, validateCreate } from './validate.ts';

export type { NetworksConfig } from './context.ts';

export class NetworkService implements Networks {
  readonly #context: NetworksContext;
  readonly #endpoints: Endpoints;
  readonly #names: NameResolvers;
  readonly #locks = new KeyedLock();

  constructor(config: NetworksConfig, database: Database, events: EventTable, log: Log) {
    this.#context = new NetworksContext(config, database, events, log);
    this.#endpoints = new Endpoints(this.#context);
    this.#names = new NameResolvers(this.#context.table, log);
  }

  restore(): Promise<void> {
    return restoreNetworks(this.#context, this.#endpoints);
  }

  sweep(alive: ReadonlySet<string>): Promise<void> {
    return sweepNetworks(this.#context, this.#endpoints, alive);
  }

  leaks(alive: ReadonlySet<string>): Promise<readonly Leak[]> {
    return lookForNetworkLeaks(this.#context, this.#endpoints, alive);
  }

  /** Closes sockets and lets the ports go; links, rules and containers stay. */
  close(): void {
    this.#names.close();
    this.#context.close();
  }

  /** Resolves when links that were to be removed in the background are gone. */
  settled(): Promise<void> {
    return this.#context.driver.settled();
  }

  async quiet(): Promise<void> {
    const links = this.#context.table.list().map(({ link }) => link);
    await Promise.all(links.map((link) => this.#locks.run(`link ${link}`, () => undefined)));
    await this.settled();
  }

  // Networks

  list(): readonly Network[] {
    return this.#context.table.list().map(networkOf);
  }

  get(reference: string): Network {
    return networkOf(this.#context.find(reference));
  }

  async create(request: NetworkCreate): Promise<{ readonly id: string; readonly warning: string }> {
    validateCreate(request);
    const options = parseBridgeOptions(request.options);
    const { driver, table } = this.#context;
    const taken = await hostPrefixes(this.#context);
    const id = newId();
    const link = options.name === '' ? bridgeLinkOf(id) : options.name;
    return this.#locks.run(`link ${link}`, async () => {
      const network = this.#insert(request, id, link, taken);
      try {
        const dropForward = driver.enableForwarding([network]);
        this.#context.config.fault?.('bridge');
        await driver.ensure(network);
        this.#context.config.fault?.('rules');
        await driver.applyFirewall(table.list(), this.#context.ports(), { withPorts: false, dropForward });
        this.#context.config.fault?.('network');
      } catch (error) {
        table.delete(id);
        await this.#takeDown(network);
        throw withContext(`Failed to create network ${network.name}`, error);
      }
      this.#context.tell(network, 'create');
      return { id, warning: '' };
    });
  }

  /** The row with its pools chosen, in one transaction: two creates never get overlapping subnets. */
  #insert(request: NetworkCreate, id: string, link: string, taken: readonly Prefix[]): NetworkRow {
    const { config, database, table } = this.#context;
    return database.transaction(() => {
      if (table.byName(request.name) !== undefined) throw conflict(`network with name ${request.name} already exists`);
      const networks = table.list();
      const sameLink = networks.find((network) => network.link === link);
      if (sameLink !== undefined) throw conflict(`interface ${link} already belongs to network ${sameLink.name}`);
      const defaults = [...defaultPoolsOf(this.#context), localPool(config.instance)];
      const { name, internal, attachable, enableIPv4, enableIPv6, options, labels } = request;
      const row: NetworkRow = {
        ...{ id, name, link, internal, attachable, enableIPv4, enableIPv6, options, labels },
        driver: 'bridge',
        createdNs: nowNs(),
        ipamDriver: 'default',
        ipamOptions: request.ipam.options,
        pools: choosePools(request, defaults, subnetsOf(networks), taken),
      };
      table.insert(row);
      reserve(table, row);
      return row;
    });
  }

  async remove(reference: string): Promise<void> {
    const { database, table } = this.#context;
    const network = this.#context.find(reference);
    if (isPredefined(network.name)) throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
    await this.#locks.run(`link ${network.link}`, async () => {
      database.transaction(() => {
        const active = table.endpointsOnNetwork(network.id);
        if (active.length > 0) throw forbidden(`error while removing network: ${inUse(network, active)}`);
        if (!table.delete(network.id)) throw notFound(`network ${reference} not found`);
        this.#context.tell(network, 'destroy');
      });
      await this.#takeDown(network);
    });
  }

  async #takeDown(network: NetworkRow): Promise<void> {
    try {
      await this.#context.driver.removeBridgeOf(network);
      await this.#context.rebuildRules(false);
    } catch (error) {
      this.#context.log.warn(
        { err: error, network: network.name },
        'a network was removed, but not all of it is gone; the next start of the daemon sweeps it',
      );
    }
  }

  async prune(filters: Readonly<Record<string, readonly string[]>>): Promise<readonly string[]> {
    const wanted = pruneFilter(filters, nowNs());
    const { table } = this.#context;
    const deleted: string[] = [];
    for (const network of table.list()) {
      if (isPredefined(network.name) || !wanted(network) || table.endpointsOnNetwork(network.id).length > 0) continue;
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
      this.#context.config.fault?.('sandbox');
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
    const network = this.#context.lookup(reference);
    const name = network?.name ?? (reference === 'default' ? 'bridge' : reference);
    readSettings(name, settings, network?.pools);
  }

  attach(request: Parameters<Networks['attach']>[0]): Promise<Endpoint> {
    return this.#endpoints.attach(request);
  }

  detach(containerId: string, networkId?: string): Promise<void> {
    if (networkId === undefined) this.#names.stop(containerId);
    return this.#endpoints.detach(containerId, networkId);
  }

  moveGateway(request: Parameters<Networks['moveGateway']>[0]): Promise<void> {
    return this.#endpoints.moveGateway(request);
  }

  async serveNames(request: Parameters<Networks['serveNames']>[0]): Promise<readonly number[]> {
    try {
      return await this.#names.serve(request);
    } catch (error) {
      throw withContext('start the resolver', error);
    }
  }

  rename(containerId: string, name: string): void {
    this.#endpoints.rename(containerId, name);
  }

  endpointsOf(containerId: string): readonly Endpoint[] {
    return this.#context.table.endpointsOfContainer(containerId).map((row) => this.#endpoints.view(row));
  }

  endpointsOn(networkId: string): readonly Endpoint[] {
    return this.#context.table.endpointsOnNetwork(networkId).map((row) => this.#endpoints.view(row));
  }
}

function inUse(network: NetworkRow, active: readonly EndpointRow[]): string {
  const users = active.map((one) => {
    const name = one.containerName || one.containerId.slice(0, 12);
    return `name:"${name}" id:"${one.id.slice(0, 12)}"`;
  });
  return `network ${network.name} has active endpoints (${users.join(', ')})`;
}

/** The contract's shape: without what only this room needs. */
function networkOf(row: NetworkRow): Network {
  const { link: _link, pools, driver, ...rest } = row;
  return {
    ...rest,
    driver: driver === 'host' || driver === 'null' ? driver : 'bridge',
    pools: pools.map(({ configured: _configured, ...pool }) => pool),
  };
}
