// Owns the choice of the places where a repository is asked for: mirrors in their order, then the registry, with TLS as far as it must be
// trusted. Pure: addresses of names are given.
import { BlockList, isIP } from 'node:net';
import { invalidArgument } from '../../base/errors.ts';
import type { RegistryHostSettings, RegistrySettings } from './types.ts';

export interface Endpoint {
  /** Base in front of `/v2/`, without a slash at the end. */
  readonly url: string;
  /** False: any certificate is taken. */
  readonly verify: boolean;
  /** PEM file of an authority; empty: those of the system and of certs.d. */
  readonly ca: string;
  readonly mirror: boolean;
  /** May say what a tag means. */
  readonly resolves: boolean;
  /** Sent as `ns` to a mirror that serves several registries; empty: not sent. */
  readonly namespace: string;
}

export const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_URL = 'https://registry-1.docker.io';
const DEFAULT_NETWORKS = ['127.0.0.0/8', '::1/128'];

/** Host of `host`, `host:port`, `[::1]:5000`. */
export function hostOf(domain: string): string {
  const bracket = /^\[([^\]]+)\](?::\d+)?$/.exec(domain);
  return bracket?.[1] ?? domain.replace(/:\d+$/, '');
}

function covers(network: string, address: string): boolean {
  const family = isIP(address);
  const [base = '', prefix = ''] = network.split('/');
  if (family === 0 || isIP(base) !== family || !/^\d+$/.test(prefix)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
  return list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether `domain` may be reached without trusted TLS. Entries are `host[:port]` or networks; the loopback networks always count. */
export function isInsecure(domain: string, entries: readonly string[], addresses: readonly string[]): boolean {
  if (domain === DEFAULT_REGISTRY) return false;
  const networks = [...DEFAULT_NETWORKS, ...entries.filter((entry) => entry.includes('/'))];
  if (entries.some((entry) => entry.replace(/^https?:\/\//, '') === domain)) return true;
  const host = hostOf(domain);
  const known = isIP(host) !== 0 ? [host] : host === 'localhost' ? ['127.0.0.1', ...addresses] : addresses;
  return known.some((address) => networks.some((network) => covers(network, address)));
}

const trimmed = (url: string): string => url.replace(/\/+$/, '').replace(/\/v2$/, '');

function hostPart(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    throw invalidArgument(`registry-mirrors: expected a URL such as https://mirror.example, received "${url}"`);
  }
}

function settingsOf(domain: string, settings: RegistrySettings): RegistryHostSettings | undefined {
  return settings.registries[domain] ?? settings.registries['*'];
}

/** The registry itself, without mirrors. */
export function ownEndpoints(domain: string, settings: RegistrySettings, addresses: readonly string[]): Endpoint[] {
  const own = settings.registries[domain];
  const common = { ca: own?.ca ?? '', mirror: false, resolves: true, namespace: '' };
  if (domain === DEFAULT_REGISTRY) return [{ ...common, url: DEFAULT_URL, verify: true }];
  if (own?.insecure !== true && !isInsecure(domain, settings.insecureRegistries, addresses)) {
    return [{ ...common, url: `https://${domain}`, verify: true }];
  }
  return [
    { ...common, url: `https://${domain}`, verify: false },
    { ...common, url: `http://${domain}`, verify: false },
  ];
}

/** Where to pull from, in order. `addresses` are those of the registry's host, for networks among the insecure registries. */
export function pullEndpoints(domain: string, settings: RegistrySettings, addresses: readonly string[]): Endpoint[] {
  const mirrors: Endpoint[] = [];
  for (const mirror of settingsOf(domain, settings)?.mirrors ?? []) {
    mirrors.push({
      url: trimmed(mirror.url),
      verify: !isInsecure(hostPart(mirror.url), settings.insecureRegistries, []),
      ca: settings.registries[hostPart(mirror.url)]?.ca ?? '',
      mirror: true,
      resolves: mirror.capabilities.includes('resolve'),
      namespace: domain,
    });
  }
  if (domain === DEFAULT_REGISTRY) {
    for (const url of settings.registryMirrors) {
      const verify = !isInsecure(hostPart(url), settings.insecureRegistries, []);
      mirrors.push({ url: trimmed(url), verify, ca: '', mirror: true, resolves: true, namespace: '' });
    }
  }
  return [...mirrors, ...ownEndpoints(domain, settings, addresses)];
}
