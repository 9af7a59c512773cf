// Owns the contract of the networks room.
import type { EndpointSettings } from '../../api-spec/index.ts';
import type { Leak } from '../base/leak.ts';

export interface IpamPool {
  readonly subnet: string;
  readonly ipRange: string;
  readonly gateway: string;
  readonly auxAddresses: Readonly<Record<string, string>>;
}

export interface Network {
  readonly id: string;
  readonly name: string;
  readonly driver: 'bridge' | 'host' | 'null';
  readonly createdNs: bigint;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly pools: readonly IpamPool[];
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** What a container asks to have published. */
export interface PortRequest {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
  /** Empty: every address of the host (or the network's com.docker.network.bridge.host_binding_ipv4). */
  readonly hostIp: string;
  /** 0: an ephemeral port; else the first free one of hostPort..hostPortEnd. */
  readonly hostPort: number;
  readonly hostPortEnd: number;
}

/** A published port as it is in the kernel. */
export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
  /** `0.0.0.0` or `::` for every address. */
  readonly hostIp: string;
  readonly hostPort: number;
}

/** A container's attachment to a network. Exists from the start of the container to its stop; `settings` are what the client asked for. */
export interface Endpoint {
  readonly id: string;
  readonly networkId: string;
  readonly containerId: string;
  readonly ipAddress: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly ipv6Address: string;
  readonly ipv6PrefixLength: number;
  readonly ipv6Gateway: string;
  readonly macAddress: string;
  readonly hostLink: string;
  readonly interfaceName: string;
  readonly aliases: readonly string[];
  /** `CONTAINER:ALIAS`, for its own container alone. */
  readonly links: readonly string[];
  readonly ports: readonly PublishedPort[];
}

/** A network namespace made for a container, by descriptors. The caller closes both after the launch (the monitor and PID 1 keep the namespace alive). */
export interface Sandbox {
  readonly namespace: number;
  /** NETLINK_ROUTE socket inside of it. */
  readonly netlink: number;
}

/** How the resolver of a container asks others. */
export interface NameService {
  /** Of --dns; empty: those of the host's resolv.conf, as it is at the time of the question. */
  readonly servers: readonly string[];
  /** The container has an ndots option of its own: a name without a dot is then never asked outside, its resolver adds a domain first. */
  readonly ndots: boolean;
}

export interface NetworkCreate {
  readonly name: string;
  readonly driver: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly ipam: {
    readonly driver: string;
    readonly options: Readonly<Record<string, string>>;
    readonly pools: readonly Partial<IpamPool>[];
  };
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Refused unless empty or `local`: this engine is in no swarm. */
  readonly scope?: string;
  readonly ingress?: boolean;
  readonly configOnly?: boolean;
  /** Name of a configuration network. */
  readonly configFrom?: string;
}

export interface Networks {
  /** Boot: makes bridge, host and none when missing; brings bridges and rules of the rows into the kernel; adopts what is there. */
  restore(): Promise<void>;
  list(): readonly Network[];
  /** By name, id or unique prefix; `default` is `bridge`. Throws not-found `network REF not found`. */
  get(reference: string): Network;
  create(request: NetworkCreate): Promise<{ readonly id: string; readonly warning: string }>;
  /** forbidden for predefined ones and ones with endpoints. */
  remove(reference: string): Promise<void>;
  prune(filters: Readonly<Record<string, readonly string[]>>): Promise<readonly string[]>;
  /** A fresh namespace with its loopback up. */
  createSandbox(): Promise<Sandbox>;
  /** A second handle on a running container's namespace (by /proc/PID/ns/net), for live connects. */
  openSandbox(pid: number): Promise<Sandbox>;
  /** Allocates addresses, makes the veth into the sandbox, its addresses and routes, all or nothing. */
  attach(request: {
    readonly containerId: string;
    /** Shown in the refusal to remove a network that is in use. */
    readonly containerName?: string;
    readonly network: string;
    readonly settings: EndpointSettings;
    /** Not needed on the networks host and none: their endpoints have no link. */
    readonly sandbox?: Sandbox;
    /** Sets the default route through this network. */
    readonly defaultRoute: boolean;
    /** eth0, eth1, … */
    readonly index: number;
    /** More attributes of the event network connect, which has container, name and type by itself. */
    readonly attributes: Readonly<Record<string, string>>;
    /** One more name by which it is found on user-defined networks. */
    readonly hostname?: string;
    /** Published on the network of the default route only, as Docker does; see networks/ports.ts portRequests(). Absent: none. */
    readonly ports?: readonly PortRequest[];
  }): Promise<Endpoint>;
  /** At create: invalid-argument in Docker's words for settings that no start can satisfy (a static address on the default network, …). The network need not exist yet. */
  validate(network: string, settings: EndpointSettings): void;
  /** Frees the addresses at once; the link goes with its namespace or is removed behind. Harmless when there is none. */
  detach(containerId: string, networkId?: string): Promise<void>;
  /**
   * In a running container: the default route goes through this network, and the ports are published there and nowhere else. Without a
   * network there is no default route and no published port.
   */
  moveGateway(request: {
    readonly containerId: string;
    readonly network: string | undefined;
    readonly sandbox: Sandbox;
    readonly ports: readonly PortRequest[];
  }): Promise<void>;
  /**
   * Answers names at 127.0.0.11 in the container's namespace until it is detached from all its networks; harmless when that is so already.
   * `held`: the sockets of an earlier daemon, which are taken over. Resolves with the sockets, which stay the resolver's own, for a process
   * that outlives the daemon to hold.
   */
  serveNames(request: {
    readonly containerId: string;
    /** The caller keeps it. */
    readonly namespace: number;
    readonly service: NameService;
    readonly held?: readonly number[];
  }): Promise<readonly number[]>;
  /** Resolves when the links of what was detached are gone. */
  settled(): Promise<void>;
  /** A running container has a new name. */
  rename(containerId: string, name: string): void;
  endpointsOf(containerId: string): readonly Endpoint[];
  endpointsOn(networkId: string): readonly Endpoint[];
  /** Links, rules and rows that are amiss at this moment, work under way among them; `alive`: the containers that may have endpoints. */
  leaks(alive: ReadonlySet<string>): Promise<readonly Leak[]>;
  /** Resolves when what is being made or removed now is done. */
  quiet(): Promise<void>;
  /** Heals what `leaks` finds. At boot, before listening. */
  sweep(alive: ReadonlySet<string>): Promise<void>;
}
