// Owns what the parts of the networks service share: configuration, rows, events, the kernel's side. It decides nothing.
import { internal, invalidArgument, notFound } from '../base/errors.ts';
import type { Fault } from '../base/fault.ts';
import type { Database } from '../store/database.ts';
import type { EventTable } from '../store/events.ts';
import { type EndpointRow, type NetworkRow, NetworkTable } from '../store/networks.ts';
import { Iptables } from '../supervisor/firewall/iptables.ts';
import type { FirewallPort } from '../supervisor/firewall/rules.ts';
import { BridgeDriver, firewallPorts, type Log } from './bridge-driver.ts';
import type { DefaultPool } from './ipam.ts';
import type { DefaultBridgeConfig } from './predefined.ts';
import { PortPublisher } from './publish.ts';

/** dockerd's settings of the same names. */
export interface NetworksConfig extends DefaultBridgeConfig {
  readonly instance: string;
  /** Empty: Docker's own. */
  readonly defaultAddressPools: readonly DefaultPool[];
  readonly iptables: boolean;
  readonly ipForward: boolean;
  readonly ipForwardNoDrop: boolean;
  readonly fault?: Fault | undefined;
}

export class NetworksContext {
  readonly config: NetworksConfig;
  readonly database: Database;
  readonly table: NetworkTable;
  readonly log: Log;
  readonly publisher: PortPublisher;
  readonly #events: EventTable;
  readonly #iptables: Iptables | undefined;
  #driver: BridgeDriver | undefined;

  constructor(config: NetworksConfig, database: Database, events: EventTable, log: Log) {
    this.config = config;
    this.database = database;
    this.table = new NetworkTable(database);
    this.log = log;
    this.#events = events;
    this.#iptables = config.iptables ? new Iptables(config.instance) : undefined;
    this.publisher = new PortPublisher(this.#iptables, (protocol, hostIp, hostPort) =>
      this.table.hasPort(protocol, hostIp, hostPort),
    );
  }

  /** The kernel's side; throws before open(). */
  get driver(): BridgeDriver {
    if (this.#driver === undefined) throw internal('networks are not restored yet');
    return this.#driver;
  }

  async open(): Promise<BridgeDriver> {
    this.#driver ??= await BridgeDriver.open({ ...this.config, iptables: this.#iptables, log: this.log });
    return this.#driver;
  }

  close(): void {
    this.publisher.releaseAll();
    this.#driver?.close();
    this.#driver = undefined;
  }

  /** Appends an event of a network; call it inside of the transaction of the change. */
  tell(network: NetworkRow, action: string, attributes: Readonly<Record<string, string>> = {}): void {
    this.#events.append({
      type: 'network',
      action,
      actorId: network.id,
      attributes: { ...attributes, name: network.name, type: network.driver },
    });
  }

  /** Name, id or unique prefix of an id; undefined when there is none. */
  lookup(reference: string): NetworkRow | undefined {
    const name = reference === 'default' ? 'bridge' : reference;
    const exact = this.table.byId(name) ?? this.table.byName(name);
    if (exact !== undefined || !/^[0-9a-f]+$/.test(name)) return exact;
    const matches = this.table.byPrefix(name);
    if (matches.length > 1) {
      throw invalidArgument(`network ${reference} is ambiguous (${matches.length} matches found on ID prefix)`);
    }
    return matches[0];
  }

  find(reference: string): NetworkRow {
    const network = this.lookup(reference);
    if (network === undefined) throw notFound(`network ${reference} not found`);
    return network;
  }

  /** Every published port. */
  ports(): readonly FirewallPort[] {
    const links = new Map(this.table.list().map((network) => [network.id, network.link]));
    const owners = new Map(this.table.endpoints().map((endpoint) => [endpoint.id, links.get(endpoint.networkId)]));
    return firewallPorts(this.table.ports(), (endpointId) => owners.get(endpointId));
  }

  portsOf(endpoint: EndpointRow): readonly FirewallPort[] {
    const link = this.table.byId(endpoint.networkId)?.link;
    return firewallPorts(this.table.portsOf(endpoint.id), () => link);
  }

  /** Makes the rules say what the rows say; the policy of FORWARD stays. */
  async rebuildRules(withPorts: boolean): Promise<void> {
    await this.driver.applyFirewall(this.table.list(), this.ports(), { withPorts, dropForward: new Set() });
  }

  /** The same, and what no row has any more goes, in both families. */
  async healRules(): Promise<void> {
    await this.rebuildRules(true);
    await this.driver.removeStrayRules(this.table.list(), this.ports());
  }
}
