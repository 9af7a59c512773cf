// Owns the checks of what a client asks for: new networks and endpoint settings, in Docker's words. Pure.
import type { EndpointSettings } from '../../api-spec/index.ts';
import { type EngineError, forbidden, invalidArgument, notFound, notImplemented } from '../base/errors.ts';
import type { PoolRow } from '../store/networks.ts';
import {
  type Address,
  contains,
  formatPrefix,
  masked,
  overlaps,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
} from '../supervisor/network/ip-address.ts';
import { storedPrefix } from './ipam.ts';
import type { IpamPool, NetworkCreate } from './types.ts';

const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default']);

/** Networks that are made by the daemon and stay. */
export const isPredefined = (name: string): boolean => PREDEFINED.has(name);

/** Several problems as Docker lists them. */
function joined(head: string, problems: readonly string[]): EngineError {
  if (problems.length === 1) return invalidArgument(`${head}:\n${problems[0]}`);
  return invalidArgument(`${head}:\n${problems.map((problem) => `* ${problem.replaceAll('\n', '\n\t')}`).join('\n')}`);
}

/** Throws as Docker answers a create that cannot be. The name's uniqueness is the store's matter. */
export function validateCreate(request: NetworkCreate): void {
  if (request.name.trim() === '') throw invalidArgument('invalid name: name is empty');
  if (isPredefined(request.name)) throw forbidden(`operation is not permitted on predefined ${request.name} network `);
  validateScope(request);
  validateDriver(request.driver);
  if (request.ipam.driver !== '' && request.ipam.driver !== 'default') {
    throw notFound(`plugin "${request.ipam.driver}" not found`);
  }
  if (!request.enableIPv4 && !request.enableIPv6) throw invalidArgument('IPv4 or IPv6 must be enabled');
  const problems = request.ipam.pools.flatMap((pool) => poolProblems(pool, request.enableIPv6));
  if (problems.length > 0) throw joined('invalid network config', problems);
}

/** What belongs to a swarm, and networks that are only configuration for others. */
function validateScope(request: NetworkCreate): void {
  const { scope = '', ingress = false, configOnly = false, configFrom = '' } = request;
  if (ingress) throw forbidden('Ingress network can only be global scope network');
  if (scope === 'swarm' || scope === 'global') {
    throw forbidden('cannot create a swarm scoped network when swarm is not active');
  }
  if (configOnly)
    throw notImplemented('configuration-only networks are not supported: give the options to each network');
  if (configFrom !== '') throw notFound(`configuration network "${configFrom}" does not exist`);
}

function validateDriver(driver: string): void {
  if (driver === 'bridge' || driver === '') return;
  if (driver === 'host' || driver === 'null') throw forbidden(`only one instance of "${driver}" network is allowed`);
  if (driver === 'overlay') {
    throw forbidden(
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
  if (driver === 'macvlan' || driver === 'ipvlan') {
    throw notImplemented(`network driver "${driver}" is not supported yet (supported: bridge)`);
  }
  throw notFound(`plugin "${driver}" not found`);
}

function poolProblems(pool: Partial<IpamPool>, enableIPv6: boolean): string[] {
  const wanted = pool.subnet ?? '';
  if (wanted === '') {
    const named = [pool.ipRange, pool.gateway].some((value) => (value ?? '') !== '');
    return named ? ['invalid subnet : invalid CIDR block notation'] : [];
  }
  const subnet = parsePrefix(wanted);
  if (subnet === undefined) return [`invalid subnet ${wanted}: invalid CIDR block notation`];
  if (!enableIPv6 && subnet.address.family === 6) return [];
  const problems: string[] = [];
  if (formatPrefix(subnet) !== formatPrefix(masked(subnet))) {
    problems.push(`invalid subnet ${wanted}: it should be ${formatPrefix(masked(subnet))}`);
  }
  problems.push(...rangeProblems(pool.ipRange ?? '', subnet));
  const gateway = addressProblem(pool.gateway ?? '', subnet);
  if (gateway !== undefined) problems.push(`invalid gateway ${pool.gateway}: ${gateway}`);
  for (const [name, address] of Object.entries(pool.auxAddresses ?? {})) {
    const problem = addressProblem(address, subnet);
    if (problem !== undefined) problems.push(`invalid auxiliary address ${name}: ${problem}`);
  }
  return problems;
}

function rangeProblems(text: string, subnet: Prefix): string[] {
  if (text === '') return [];
  const range = parsePrefix(text);
  if (range === undefined) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  const family = subnet.address.family;
  if (range.address.family !== family) return [`invalid ip-range ${text}: parent subnet is an IPv${family} block`];
  const parent = formatPrefix(masked(subnet));
  const problems: string[] = [];
  if (range.bits < subnet.bits)
    problems.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${parent}`);
  if (formatPrefix(range) !== formatPrefix(masked(range))) {
    problems.push(`invalid ip-range ${text}: it should be ${formatPrefix(masked(range))}`);
  }
  if (!overlaps(subnet, range))
    problems.push(`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`);
  return problems;
}

function addressProblem(text: string, subnet: Prefix): string | undefined {
  if (text === '') return undefined;
  const address = parseAddress(text);
  if (address === undefined) return 'invalid address';
  if (address.family !== subnet.address.family) return `parent subnet is an IPv${subnet.address.family} block`;
  if (!contains(subnet, address)) return `parent subnet ${formatPrefix(masked(subnet))} doesn't contain this address`;
  return undefined;
}

/** What of the settings an attachment uses. */
export interface StaticSettings {
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  /** Empty: derived from the address. */
  readonly mac: string;
  readonly aliases: readonly string[];
  /** `CONTAINER:ALIAS`. */
  readonly links: readonly string[];
}

/** Reads and checks endpoint settings. `pools` undefined: the network is not known yet, and ranges are not checked. */
export function readSettings(
  networkName: string,
  settings: EndpointSettings,
  pools: readonly Pick<PoolRow, 'subnet' | 'ipRange' | 'configured'>[] | undefined,
): StaticSettings {
  const problems: string[] = [];
  const ipv4 = staticAddress(settings.IPAMConfig?.IPv4Address ?? '', 4, problems);
  const ipv6 = staticAddress(settings.IPAMConfig?.IPv6Address ?? '', 6, problems);
  const aliases = settings.Aliases ?? [];
  if (isPredefined(networkName)) {
    if (ipv4 !== undefined || ipv6 !== undefined) {
      problems.push('user specified IP address is supported on user defined networks only');
    }
    if (aliases.length > 0) problems.push('network-scoped aliases are only supported for user-defined networks');
  } else if (pools !== undefined) {
    for (const [address, given] of [
      [ipv4, settings.IPAMConfig?.IPv4Address],
      [ipv6, settings.IPAMConfig?.IPv6Address],
    ] as const) {
      if (address === undefined) continue;
      const ofFamily = pools.filter((pool) => storedPrefix(pool.subnet).address.family === address.family);
      if (!ofFamily.some((pool) => contains(storedPrefix(pool.subnet), address))) {
        problems.push(`no configured subnet or ip-range contain the IP address ${given}`);
      } else if (!ofFamily.some((pool) => pool.configured)) {
        problems.push(
          'user specified IP address is supported only when connecting to networks with user configured subnets',
        );
      }
    }
  }
  if (problems.length > 0) throw joined('invalid endpoint settings', problems);
  const mac = settings.MacAddress ?? '';
  if (mac !== '' && parseMac(mac) === undefined) throw invalidArgument(`invalid MAC address ${mac}`);
  const links = settings.Links ?? [];
  return { ipv4, ipv6, mac: mac.toLowerCase().replaceAll('-', ':'), aliases, links };
}

function staticAddress(text: string, family: 4 | 6, problems: string[]): Address | undefined {
  if (text === '') return undefined;
  const address = parseAddress(text);
  if (address === undefined || address.family !== family || address.value === 0n) {
    problems.push(`invalid IPv${family} address: ${text}`);
    return undefined;
  }
  return address;
}
