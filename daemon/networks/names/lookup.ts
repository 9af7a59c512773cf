// Owns the decision what the engine's resolver says to a question of one container: an answer of its own, a question to others, or nothing.
// Reads rows; opens no socket.
import type { EndpointRow, NetworkRow, NetworkTable } from '../../store/networks.ts';
import { formatAddress, parseAddress } from '../../supervisor/network/ip-address.ts';
import { isPredefined } from '../validate.ts';
import type { OwnAnswer, Query } from './message.ts';

export type Decision =
  | { readonly kind: 'own'; readonly answer: OwnAnswer }
  /** Others are asked. */
  | { readonly kind: 'forward' }
  /** It would be others' matter, and the container's networks lead nowhere. */
  | { readonly kind: 'closed' };

interface Membership {
  readonly endpoint: EndpointRow;
  readonly network: NetworkRow;
}

/** The user-defined networks that a container is on, the one of its first interface first; names are known on these only. */
function membershipsOf(table: NetworkTable, containerId: string): readonly Membership[] {
  return table.endpointsOfContainer(containerId).flatMap((endpoint) => {
    const network = table.byId(endpoint.networkId);
    return network === undefined ? [] : [{ endpoint, network }];
  });
}

/** What the container calls `name` by a link, or the name itself. */
function linked(endpoint: EndpointRow, name: string): string {
  for (const link of endpoint.links) {
    const [target = '', alias = target] = link.split(':');
    if (alias.toLowerCase() === name) return target.replace(/^.*\//, '');
  }
  return name;
}

/** The endpoints of a name, on the first network that knows it; `web.frontend` is web on the network frontend. */
function find(table: NetworkTable, memberships: readonly Membership[], name: string): readonly EndpointRow[] {
  for (const { endpoint, network } of memberships) {
    const found = table.endpointsByName(network.id, linked(endpoint, name));
    if (found.length > 0) return found;
  }
  for (const { endpoint, network } of memberships) {
    const suffix = `.${network.name.toLowerCase()}`;
    if (!name.endsWith(suffix)) continue;
    const found = table.endpointsByName(network.id, linked(endpoint, name.slice(0, -suffix.length)));
    if (found.length > 0) return found;
  }
  return [];
}

/** The address of a name of in-addr.arpa or ip6.arpa, in our spelling; undefined for other names. */
export function reversed(name: string): string | undefined {
  const parts = name.toLowerCase().split('.');
  const zone = parts.splice(-2).join('.');
  parts.reverse();
  let text: string;
  if (zone === 'in-addr.arpa' && parts.length === 4) text = parts.join('.');
  else if (zone === 'ip6.arpa' && parts.length === 32) text = (parts.join('').match(/.{4}/g) ?? []).join(':');
  else return undefined;
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
}

function reverseName(table: NetworkTable, memberships: readonly Membership[], address: string): string | undefined {
  for (const { network } of memberships) {
    const endpoint = table.endpointByAddress(network.id, address);
    if (endpoint === undefined) continue;
    return `${endpoint.containerName || endpoint.containerId.slice(0, 12)}.${network.name}`;
  }
  return undefined;
}

/** `ndots`: the container has set the option, so that a name without a dot is asked outside only with a domain behind it. */
export function decide(table: NetworkTable, containerId: string, query: Query, ndots: boolean): Decision {
  const all = membershipsOf(table, containerId);
  const known = all.filter(({ network, endpoint }) => endpoint.hostLink !== '' && !isPredefined(network.name));
  const outside: Decision = all.some(({ network }) => !network.internal) ? { kind: 'forward' } : { kind: 'closed' };
  if (!query.internet) return outside;
  const name = query.name.toLowerCase();
  if (query.type === 'PTR') {
    const address = reversed(name);
    const found = address === undefined ? undefined : reverseName(table, known, address);
    return found === undefined ? outside : { kind: 'own', answer: { type: 'PTR', name: found } };
  }
  const asksAddress = query.type === 'A' || query.type === 'AAAA';
  // As Docker: a name that is ours has no records of other kinds; those that may be others' (TXT, SRV …) are asked outside.
  if (!asksAddress && query.type !== 'MX') return outside;
  const found = find(table, known, name);
  if (found.length === 0) {
    if (asksAddress && ndots && !name.includes('.') && outside.kind === 'forward') {
      return { kind: 'own', answer: { type: 'nothing' } };
    }
    return outside;
  }
  const addresses = found
    .map((endpoint) => (query.type === 'A' ? endpoint.ipAddress : endpoint.ipv6Address))
    .filter((address) => address !== '');
  if (query.type === 'MX' || addresses.length === 0) return { kind: 'own', answer: { type: 'nothing' } };
  return { kind: 'own', answer: { type: query.type === 'A' ? 'A' : 'AAAA', addresses } };
}
