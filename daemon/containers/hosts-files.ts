// Owns the text of a container's hosts, hostname and resolv.conf. Pure; start.ts writes the files.
import { isIP } from 'node:net';

export interface HostsInput {
  readonly hostname: string;
  readonly domainname: string;
  /** Addresses of the container, the one of its default network first. */
  readonly addresses: readonly string[];
  /** `NAME:ADDRESS` or `NAME=ADDRESS`; `host-gateway` for the address of the host. */
  readonly extraHosts: readonly string[];
  readonly hostGateway: string;
  /** Addresses of linked containers with their names. */
  readonly links?: readonly (readonly [string, string])[];
}

const fixedHosts: readonly (readonly [string, string])[] = [
  ['127.0.0.1', 'localhost'],
  ['::1', 'localhost ip6-localhost ip6-loopback'],
  ['fe00::', 'ip6-localnet'],
  ['ff00::', 'ip6-mcastprefix'],
  ['ff02::1', 'ip6-allnodes'],
  ['ff02::2', 'ip6-allrouters'],
];

/** Name and address of an ExtraHosts entry: the first `:` or `=` divides them (an IPv6 address may stand in brackets). */
export function splitExtraHost(entry: string): readonly [string, string] {
  const at = entry.search(/[:=]/);
  const address = entry.slice(at + 1);
  return [entry.slice(0, at), address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address];
}

/** What stands behind a container's own addresses. */
export const hostNames = (hostname: string, domainname: string): string =>
  domainname === '' ? hostname : `${hostname}.${domainname} ${hostname}`;

export function hostsFile(input: HostsInput): string {
  const extra = input.extraHosts.map((entry) => {
    const [name, address] = splitExtraHost(entry);
    return [address === 'host-gateway' ? input.hostGateway : address, name] as const;
  });
  const names = hostNames(input.hostname, input.domainname);
  const own = input.addresses.map((address) => [address, names] as const);
  return [...fixedHosts, ...extra, ...(input.links ?? []), ...own]
    .filter(([address]) => address !== '')
    .map(([address, name]) => `${address}\t${name}\n`)
    .join('');
}

export interface ResolverInput {
  /** The host's resolv.conf. */
  readonly host: string;
  readonly dns: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  /** The container has a network of its own: resolvers on the host's loopback are out of its reach. */
  readonly ownNetwork: boolean;
}

const values = (text: string, keyword: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([first]) => first === keyword)
    .flatMap(([, ...rest]) => rest);

/** Of several `search` lines the last one counts (resolv.conf(5)). */
const lastValues = (text: string, keyword: string): readonly string[] => {
  const found = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([first]) => first === keyword);
  return found.at(-1)?.slice(1) ?? [];
};

const onLoopback = (address: string): boolean =>
  address.startsWith('127.') || address === '::1' || (isIP(address) === 0 && address.startsWith('::1'));

/** Nameservers that are used when the host has none that a container could reach, as Docker's. */
const publicServers = ['8.8.8.8', '8.8.4.4'];

export function resolvConf(input: ResolverInput): string {
  const fromHost = values(input.host, 'nameserver').filter((server) => !input.ownNetwork || !onLoopback(server));
  const servers = input.dns.length > 0 ? input.dns : fromHost;
  const search = input.search.length > 0 ? input.search : lastValues(input.host, 'search');
  const options = input.options.length > 0 ? input.options : values(input.host, 'options');
  const lines = (servers.length > 0 || !input.ownNetwork ? servers : publicServers).map(
    (server) => `nameserver ${server}\n`,
  );
  // `--dns-search .` asks for none.
  if (search.length > 0 && !(search.length === 1 && search[0] === '.')) lines.push(`search ${search.join(' ')}\n`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}\n`);
  return lines.join('');
}

/** Lines for one more network of a container that runs, behind what is there. */
export function addHostAddresses(text: string, addresses: readonly string[], names: string): string {
  const lines = addresses.filter((address) => address !== '').map((address) => `${address}\t${names}\n`);
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${lines.join('')}`;
}

/** Without the lines of the addresses that name the container itself; what else stands there (extra hosts, a user's lines) stays. */
export function removeHostAddresses(text: string, addresses: readonly string[], names: string): string {
  const gone = new Set(addresses.filter((address) => address !== '').map((address) => `${address}\t${names}`));
  return text
    .split('\n')
    .filter((line) => !gone.has(line))
    .join('\n');
}

/** Where the engine's own resolver listens in each namespace that has one. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** resolv.conf of a container on a user-defined network: the engine's resolver, which asks the others (`ExtServers`) itself. */
export function resolverConf(input: ResolverInput): string {
  const search = input.search.length > 0 ? input.search : lastValues(input.host, 'search');
  const options = input.options.length > 0 ? input.options : values(input.host, 'options');
  const ndots = options.some((option) => option.startsWith('ndots:'));
  const shown = input.dns.length > 0 ? input.dns : values(input.host, 'nameserver');
  const servers = shown.map((server) => (input.dns.length === 0 && onLoopback(server) ? `host(${server})` : server));
  return [
    '# Written by the container engine, which leaves it alone once it has been edited.',
    `nameserver ${RESOLVER_ADDRESS}`,
    ...(search.length > 0 && !(search.length === 1 && search[0] === '.') ? [`search ${search.join(' ')}`] : []),
    `options ${[...options, ...(ndots ? [] : ['ndots:0'])].join(' ')}`,
    `# ExtServers: [${servers.join(' ')}]`,
    '',
  ].join('\n');
}
