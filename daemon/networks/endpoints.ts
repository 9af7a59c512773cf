// Owns endpoints: a container's attachments to networks, from the row with its addresses over the link to the published ports, and back.
// An await never stands inside a transaction: intent, kernel, outcome.
import { forbidden, internal, withContext } from '../base/errors.ts';
import { newId, shortId } from '../base/ids.ts';
import type { EndpointRow, NetworkRow } from '../store/networks.ts';
import { allocate } from './allocate.ts';
import { parseBridgeOptions } from './bridge-options.ts';
import type { NetworksContext } from './context.ts';
import { hostLinkOf, macOf } from './names.ts';
import { pinned } from './ports.ts';
import type { Endpoint, Networks, PortRequest } from './types.ts';
import { isPredefined, readSettings } from './validate.ts';

type AttachRequest = Parameters<Networks['attach']>[0];

/** What attach wrote; undone as a whole when a later step fails. */
interface Draft {
  readonly network: NetworkRow;
  readonly endpoint: EndpointRow;
}

export class Endpoints {
  readonly #context: NetworksContext;

  constructor(context: NetworksContext) {
    this.#context = context;
  }

  async attach(request: AttachRequest): Promise<Endpoint> {
    const draft = this.#draft(request);
    if (draft.network.link === '') return this.view(draft.endpoint);
    try {
      await this.#connect(draft, request);
    } catch (error) {
      await this.#undo(draft.endpoint);
      throw error;
    }
    this.#context.config.fault?.('endpoint');
    this.#context.database.transaction(() => {
      this.#context.table.markReady(draft.endpoint.id);
      this.#context.tell(draft.network, 'connect', { ...request.attributes, container: request.containerId });
    });
    return this.view(draft.endpoint);
  }

  /** The intent: the endpoint's row with its addresses. Endpoints without a link are complete with it. */
  #draft(request: AttachRequest): Draft {
    return this.#context.database.transaction(() => {
      const network = this.#context.find(request.network);
      const twin = this.#context.table
        .endpointsOfContainer(request.containerId)
        .find((one) => one.networkId === network.id);
      if (twin !== undefined) {
        throw forbidden(
          `endpoint with name ${request.containerName ?? request.containerId} already exists in network ${network.name}`,
        );
      }
      const linked = network.link !== '';
      const settings = readSettings(network.name, request.settings, linked ? network.pools : undefined);
      const id = newId();
      const v4 = linked ? allocate(this.#context.table, network, 4, settings.ipv4, id) : undefined;
      const v6 = linked ? allocate(this.#context.table, network, 6, settings.ipv6, id) : undefined;
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
        hostLink: linked ? hostLinkOf(this.#context.config.instance, id) : '',
        interfaceName: linked ? `${parseBridgeOptions(network.options).interfacePrefix}${request.index}` : '',
        aliases: settings.aliases,
        links: settings.links,
      };
      this.#context.table.insertEndpoint(endpoint);
      if (linked && !isPredefined(network.name)) this.#insertNames(endpoint, request.hostname ?? '');
      if (!linked) this.#context.tell(network, 'connect', { ...request.attributes, container: request.containerId });
      return { network, endpoint };
    });
  }

  #insertNames(endpoint: EndpointRow, hostname: string): void {
    for (const name of [endpoint.containerName, shortId(endpoint.containerId), hostname, ...endpoint.aliases]) {
      if (name !== '') this.#context.table.insertName(endpoint, name);
    }
  }

  /** The container's new name in place of its old one. */
  rename(containerId: string, name: string): void {
    const { database, table } = this.#context;
    database.transaction(() => {
      for (const endpoint of table.endpointsOfContainer(containerId)) {
        table.renameEndpoint(endpoint.id, name);
        const network = table.byId(endpoint.networkId);
        if (endpoint.hostLink === '' || network === undefined || isPredefined(network.name)) continue;
        if (!endpoint.aliases.includes(endpoint.containerName)) table.deleteName(endpoint.id, endpoint.containerName);
        table.insertName(endpoint, name);
      }
    });
  }

  /** The route first, so that nothing is lost in between; then the ports, which keep their numbers. */
  async moveGateway(request: Parameters<Networks['moveGateway']>[0]): Promise<void> {
    const { driver, table } = this.#context;
    const rows = table.endpointsOfContainer(request.containerId);
    const network = request.network === undefined ? undefined : this.#context.find(request.network);
    const target = network === undefined ? undefined : rows.find((row) => row.networkId === network.id);
    await driver.setDefaultRoute(target, request.sandbox);
    const before = [];
    for (const row of rows) {
      const ports = table.portsOf(row.id);
      if (row.id === target?.id || ports.length === 0) continue;
      before.push(...ports);
      await this.#unpublish(row);
    }
    if (network === undefined || target === undefined || network.internal || request.ports.length === 0) return;
    if (table.portsOf(target.id).length > 0) return;
    await this.#publish({ network, endpoint: target }, pinned(request.ports, before));
    await driver.setPublishing(network, target);
  }

  async #unpublish(endpoint: EndpointRow): Promise<void> {
    const withdrawn = await this.#withdraw(endpoint);
    this.#context.table.deletePorts(endpoint.id);
    if (!withdrawn) await this.#rebuildPorts();
  }

  async #connect(draft: Draft, request: AttachRequest): Promise<void> {
    const { network, endpoint } = draft;
    const { sandbox } = request;
    if (sandbox === undefined) throw internal(`network ${network.name} needs a network namespace`);
    const ports = request.defaultRoute && !network.internal ? (request.ports ?? []) : [];
    if (ports.length > 0) await this.#publish(draft, ports);
    try {
      const use = { defaultRoute: request.defaultRoute, publishes: ports.length > 0 };
      this.#context.config.fault?.('link');
      await this.#context.driver.connect(network, endpoint, sandbox, use);
      this.#context.config.fault?.('linked');
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
      const ports = await this.#context.publisher.hold(owner, requests);
      this.#context.config.fault?.('ports');
      this.#context.database.transaction(() => {
        for (const port of ports) {
          if (!this.#context.table.insertPort({ ...port, endpointId: endpoint.id })) {
            throw internal(`Bind for ${port.hostIp}:${port.hostPort} failed: port is already allocated`);
          }
        }
      });
      this.#context.config.fault?.('publish');
      await this.#context.publisher.publish(ports);
    } catch (error) {
      throw withContext(what, error);
    }
  }

  async #undo(endpoint: EndpointRow): Promise<void> {
    const withdrawn = await this.#withdraw(endpoint);
    this.forget(endpoint);
    if (!withdrawn) await this.#rebuildPorts();
  }

  forget(endpoint: EndpointRow): void {
    this.#context.table.deleteEndpoint(endpoint.id);
    this.#context.driver.disconnect([endpoint.hostLink]);
  }

  /** False when the rules are not as expected (never made, or flushed by somebody): they are to be made anew once the rows are gone. */
  async #withdraw(endpoint: EndpointRow): Promise<boolean> {
    try {
      await this.#context.publisher.withdraw(endpoint.id, this.#context.portsOf(endpoint));
      return true;
    } catch (error) {
      this.#context.log.warn(
        { err: error, endpoint: endpoint.id },
        'published ports could not be withdrawn one by one',
      );
      this.#context.publisher.release(endpoint.id);
      return false;
    }
  }

  async #rebuildPorts(): Promise<void> {
    try {
      await this.#context.rebuildRules(true);
    } catch (error) {
      this.#context.log.warn({ err: error }, 'the rules of published ports could not be made anew');
    }
  }

  async detach(containerId: string, networkId?: string): Promise<void> {
    for (const endpoint of this.#context.table.endpointsOfContainer(containerId)) {
      if (networkId === undefined || endpoint.networkId === networkId) await this.detachOne(endpoint);
    }
  }

  /** Rules go before the addresses are free: a new owner must not get the ports of the old one. */
  async detachOne(endpoint: EndpointRow): Promise<void> {
    const withdrawn = await this.#withdraw(endpoint);
    this.#context.database.transaction(() => {
      const network = this.#context.table.byId(endpoint.networkId);
      if (!this.#context.table.deleteEndpoint(endpoint.id) || network === undefined) return;
      this.#context.tell(network, 'disconnect', { container: endpoint.containerId });
    });
    this.#context.driver.disconnect([endpoint.hostLink]);
    if (!withdrawn) await this.#rebuildPorts();
  }

  view(row: EndpointRow): Endpoint {
    const ports = this.#context.table
      .portsOf(row.id)
      .map(({ protocol, containerPort, hostIp, hostPort }) => ({ protocol, containerPort, hostIp, hostPort }));
    const { ready: _ready, containerName: _name, ...endpoint } = row;
    return { ...endpoint, ports };
  }
}
