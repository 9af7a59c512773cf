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

export function hostsFile(input: HostsInput): string {
  const extra = input.extraHosts.map((entry) => {
    const [name, address] = splitExtraHost(entry);
    return [address === 'host-gateway' ? input.hostGateway : address, name] as const;
  });
  const names = input.domainname === '' ? input.hostname : `${input.hostname}.${input.domainname} ${input.hostname}`;
  const own = input.addresses.map((address) => [address, names] as const);
  return [...fixedHosts, ...extra, ...own]
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
