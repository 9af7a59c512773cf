// Owns the SQL of networks, network_pools, endpoints, endpoint_names, addresses and ports. Rows in, rows out: no policy, no kernel.
import type { Statement } from 'better-sqlite3';
import type { Database } from './database.ts';

export interface PoolRow {
  readonly subnet: string;
  readonly ipRange: string;
  readonly gateway: string;
  readonly auxAddresses: Readonly<Record<string, string>>;
  /** The client named the subnet; false: it was chosen for it. */
  readonly configured: boolean;
}

export interface NetworkRow {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly createdNs: bigint;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** The bridge's interface; empty for networks without one. */
  readonly link: string;
  readonly pools: readonly PoolRow[];
}

export interface EndpointRow {
  readonly id: string;
  readonly networkId: string;
  readonly containerId: string;
  readonly containerName: string;
  /** False: the link was not finished. */
  readonly ready: boolean;
  readonly ipAddress: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly ipv6Address: string;
  readonly ipv6PrefixLength: number;
  readonly ipv6Gateway: string;
  readonly macAddress: string;
  /** Empty for endpoints without a link. */
  readonly hostLink: string;
  readonly interfaceName: string;
  readonly aliases: readonly string[];
  /** `CONTAINER:ALIAS`, for this endpoint's container alone. */
  readonly links: readonly string[];
}

export interface AddressRow {
  readonly networkId: string;
  readonly address: string;
  /** Which of the network's pools. */
  readonly position: number;
  /** From the subnet's first address; undefined beyond 2^62. */
  readonly offset: bigint | undefined;
  /** Undefined: kept for the gateway or an auxiliary address. */
  readonly endpointId: string | undefined;
}

export interface PortRow {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostIp: string;
  readonly hostPort: number;
  readonly endpointId: string;
  readonly containerIp: string;
  readonly containerPort: number;
}

type Value = string | number | bigint | null;
type Raw = Readonly<Record<string, Value>>;

const text = (row: Raw, name: string): string => String(row[name] ?? '');
const number = (row: Raw, name: string): number => Number(row[name] ?? 0);
const map = (row: Raw, name: string): Record<string, string> => JSON.parse(text(row, name)) as Record<string, string>;

function networkOf(row: Raw, pools: readonly PoolRow[]): NetworkRow {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    driver: text(row, 'driver'),
    createdNs: BigInt(row.created_ns ?? 0),
    internal: number(row, 'internal') === 1,
    attachable: number(row, 'attachable') === 1,
    enableIPv4: number(row, 'enable_ipv4') === 1,
    enableIPv6: number(row, 'enable_ipv6') === 1,
    ipamDriver: text(row, 'ipam_driver'),
    ipamOptions: map(row, 'ipam_options'),
    options: map(row, 'options'),
    labels: map(row, 'labels'),
    link: text(row, 'link'),
    pools,
  };
}

const poolOf = (row: Raw): PoolRow => ({
  subnet: text(row, 'subnet'),
  ipRange: text(row, 'ip_range'),
  gateway: text(row, 'gateway'),
  auxAddresses: map(row, 'aux_addresses'),
  configured: number(row, 'configured') === 1,
});

const endpointOf = (row: Raw): EndpointRow => ({
  id: text(row, 'id'),
  networkId: text(row, 'network_id'),
  containerId: text(row, 'container_id'),
  containerName: text(row, 'container_name'),
  ready: number(row, 'ready') === 1,
  ipAddress: text(row, 'ip_address'),
  prefixLength: number(row, 'prefix_length'),
  gateway: text(row, 'gateway'),
  ipv6Address: text(row, 'ipv6_address'),
  ipv6PrefixLength: number(row, 'ipv6_prefix_length'),
  ipv6Gateway: text(row, 'ipv6_gateway'),
  macAddress: text(row, 'mac_address'),
  hostLink: text(row, 'host_link'),
  interfaceName: text(row, 'interface_name'),
  aliases: JSON.parse(text(row, 'aliases')) as string[],
  links: JSON.parse(text(row, 'links')) as string[],
});

const portOf = (row: Raw): PortRow => ({
  protocol: text(row, 'protocol') as PortRow['protocol'],
  hostIp: text(row, 'host_ip'),
  hostPort: number(row, 'host_port'),
  endpointId: text(row, 'endpoint_id'),
  containerIp: text(row, 'container_ip'),
  containerPort: number(row, 'container_port'),
});

/** Statements are prepared once. Every method is synchronous; what belongs together goes into database.transaction(). */
export class NetworkTable {
  readonly #database: Database;
  readonly #statements = new Map<string, Statement<Value[], Raw>>();

  constructor(database: Database) {
    this.#database = database;
  }

  #prepare(sql: string): Statement<Value[], Raw> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.handle.prepare<Value[], Raw>(sql).safeIntegers(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #all(sql: string, ...values: Value[]): Raw[] {
    return this.#prepare(sql).all(...values);
  }

  #run(sql: string, ...values: Value[]): number {
    return this.#prepare(sql).run(...values).changes;
  }

  // Networks

  list(): NetworkRow[] {
    const pools = Map.groupBy(this.#all('SELECT * FROM network_pools ORDER BY network_id, position'), (row) =>
      text(row, 'network_id'),
    );
    return this.#all('SELECT * FROM networks ORDER BY created_ns, id').map((row) =>
      networkOf(row, (pools.get(text(row, 'id')) ?? []).map(poolOf)),
    );
  }

  byId(id: string): NetworkRow | undefined {
    return this.#one(this.#all('SELECT * FROM networks WHERE id = ?', id));
  }

  byName(name: string): NetworkRow | undefined {
    return this.#one(this.#all('SELECT * FROM networks WHERE name = ?', name));
  }

  /** At most two of the networks whose id begins so. `prefix` holds hexadecimal digits only. */
  byPrefix(prefix: string): NetworkRow[] {
    const rows = this.#all('SELECT * FROM networks WHERE id >= ? AND id < ? LIMIT 2', prefix, `${prefix}g`);
    return rows.flatMap((row) => this.#one([row]) ?? []);
  }

  #one(rows: readonly Raw[]): NetworkRow | undefined {
    const row = rows[0];
    if (row === undefined) return undefined;
    const pools = this.#all('SELECT * FROM network_pools WHERE network_id = ? ORDER BY position', text(row, 'id'));
    return networkOf(row, pools.map(poolOf));
  }

  /** Throws SqliteError (SQLITE_CONSTRAINT_UNIQUE) when the name, the link or a subnet is taken. */
  insert(row: NetworkRow): void {
    this.#database.transaction(() => {
      this.#run(
        'INSERT INTO networks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        row.id,
        row.name,
        row.driver,
        row.createdNs,
        Number(row.internal),
        Number(row.attachable),
        Number(row.enableIPv4),
        Number(row.enableIPv6),
        row.ipamDriver,
        JSON.stringify(row.ipamOptions),
        JSON.stringify(row.options),
        JSON.stringify(row.labels),
        row.link === '' ? null : row.link,
      );
      for (const [position, pool] of row.pools.entries()) {
        this.#run(
          'INSERT INTO network_pools VALUES (?, ?, ?, ?, ?, ?, ?)',
          row.id,
          position,
          pool.subnet,
          pool.ipRange,
          pool.gateway,
          JSON.stringify(pool.auxAddresses),
          Number(pool.configured),
        );
      }
    });
  }

  updateOptions(id: string, options: Readonly<Record<string, string>>): void {
    this.#run('UPDATE networks SET options = ? WHERE id = ?', JSON.stringify(options), id);
  }

  /** Its pools and reserved addresses go with it. False when there is none; throws when it has endpoints. */
  delete(id: string): boolean {
    return this.#run('DELETE FROM networks WHERE id = ?', id) > 0;
  }

  // Endpoints

  endpoint(id: string): EndpointRow | undefined {
    return this.#all('SELECT * FROM endpoints WHERE id = ?', id).map(endpointOf)[0];
  }

  endpoints(): EndpointRow[] {
    return this.#all('SELECT * FROM endpoints ORDER BY rowid').map(endpointOf);
  }

  endpointsOfContainer(containerId: string): EndpointRow[] {
    return this.#all('SELECT * FROM endpoints WHERE container_id = ? ORDER BY rowid', containerId).map(endpointOf);
  }

  endpointsOnNetwork(networkId: string): EndpointRow[] {
    return this.#all('SELECT * FROM endpoints WHERE network_id = ? ORDER BY rowid', networkId).map(endpointOf);
  }

  insertEndpoint(row: EndpointRow): void {
    this.#run(
      'INSERT INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      row.id,
      row.networkId,
      row.containerId,
      row.containerName,
      Number(row.ready),
      row.ipAddress,
      row.prefixLength,
      row.gateway,
      row.ipv6Address,
      row.ipv6PrefixLength,
      row.ipv6Gateway,
      row.macAddress,
      row.hostLink === '' ? null : row.hostLink,
      row.interfaceName,
      JSON.stringify(row.aliases),
      JSON.stringify(row.links),
    );
  }

  markReady(endpointId: string): void {
    this.#run('UPDATE endpoints SET ready = 1 WHERE id = ?', endpointId);
  }

  /** Its addresses and ports go with it. False when there is none. */
  deleteEndpoint(id: string): boolean {
    return this.#run('DELETE FROM endpoints WHERE id = ?', id) > 0;
  }

  // Names

  /** The endpoint is found by the name on its network; names are kept in lower case. */
  insertName(endpoint: Pick<EndpointRow, 'id' | 'networkId'>, name: string): void {
    const sql = 'INSERT OR IGNORE INTO endpoint_names VALUES (?, ?, ?)';
    this.#run(sql, endpoint.networkId, name.toLowerCase(), endpoint.id);
  }

  deleteName(endpointId: string, name: string): void {
    this.#run('DELETE FROM endpoint_names WHERE endpoint_id = ? AND name = ?', endpointId, name.toLowerCase());
  }

  renameEndpoint(endpointId: string, containerName: string): void {
    this.#run('UPDATE endpoints SET container_name = ? WHERE id = ?', containerName, endpointId);
  }

  /** The finished endpoints that have the name on the network, the oldest first. */
  endpointsByName(networkId: string, name: string): EndpointRow[] {
    const sql = `SELECT endpoints.* FROM endpoint_names JOIN endpoints ON endpoints.id = endpoint_names.endpoint_id
       WHERE endpoint_names.network_id = ? AND endpoint_names.name = ? AND endpoints.ready = 1 ORDER BY endpoints.rowid`;
    return this.#all(sql, networkId, name.toLowerCase()).map(endpointOf);
  }

  endpointByAddress(networkId: string, address: string): EndpointRow | undefined {
    const sql = `SELECT endpoints.* FROM addresses JOIN endpoints ON endpoints.id = addresses.endpoint_id
       WHERE addresses.network_id = ? AND addresses.address = ?`;
    return this.#all(sql, networkId, address).map(endpointOf)[0];
  }

  // Addresses

  /** False when the address is taken. The endpoint's row may come later in the same transaction. */
  insertAddress(row: AddressRow): boolean {
    return (
      this.#run(
        'INSERT OR IGNORE INTO addresses VALUES (?, ?, ?, ?, ?)',
        row.networkId,
        row.address,
        row.position,
        row.offset ?? null,
        row.endpointId ?? null,
      ) > 0
    );
  }

  /** The lowest offset from `first` on that no address has. The caller compares it with the end of the range. */
  lowestFreeOffset(networkId: string, position: number, first: bigint): bigint {
    const used = 'FROM addresses WHERE network_id = ? AND position = ? AND offset = ?';
    if (this.#all(`SELECT 1 ${used}`, networkId, position, first).length === 0) return first;
    const [row] = this.#all(
      `SELECT a.offset + 1 AS free FROM addresses a
       WHERE a.network_id = ? AND a.position = ? AND a.offset >= ?
         AND NOT EXISTS (SELECT 1 FROM addresses b WHERE b.network_id = a.network_id AND b.position = a.position AND b.offset = a.offset + 1)
       ORDER BY a.offset LIMIT 1`,
      networkId,
      position,
      first,
    );
    return BigInt(row?.free ?? first);
  }

  // Ports

  /** The ports of an endpoint lead to no one any more. */
  deletePorts(endpointId: string): void {
    this.#run('DELETE FROM ports WHERE endpoint_id = ?', endpointId);
  }

  ports(): PortRow[] {
    return this.#all('SELECT * FROM ports ORDER BY rowid').map(portOf);
  }

  portsOf(endpointId: string): PortRow[] {
    return this.#all('SELECT * FROM ports WHERE endpoint_id = ? ORDER BY rowid', endpointId).map(portOf);
  }

  hasPort(protocol: string, hostIp: string, hostPort: number): boolean {
    const sql = 'SELECT 1 FROM ports WHERE protocol = ? AND host_ip = ? AND host_port = ?';
    return this.#all(sql, protocol, hostIp, hostPort).length > 0;
  }

  /** False when the port of that address is taken. */
  insertPort(row: PortRow): boolean {
    return (
      this.#run(
        'INSERT OR IGNORE INTO ports VALUES (?, ?, ?, ?, ?, ?)',
        row.protocol,
        row.hostIp,
        row.hostPort,
        row.endpointId,
        row.containerIp,
        row.containerPort,
      ) > 0
    );
  }
}
