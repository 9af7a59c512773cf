// Owns what a container asks to have published, from HostConfig and Config to a flat list. Pure.
import type { ContainerConfig, HostConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { parseAddress } from '../supervisor/network/ip-address.ts';
import type { PortRequest, PublishedPort } from './types.ts';

type Protocol = PortRequest['protocol'];

interface PortSpec {
  readonly first: number;
  readonly last: number;
  readonly protocol: Protocol;
}

function portNumber(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65535 ? port : undefined;
}

function range(text: string): readonly [number, number] | undefined {
  const [low = '', high = low] = text.split('-');
  const first = portNumber(low);
  const last = portNumber(high);
  return first === undefined || last === undefined || last < first ? undefined : [first, last];
}

/** `80`, `80/tcp`, `53/udp`, `8000-8010/tcp`. Throws invalid-argument. */
function parsePort(text: string): PortSpec {
  const [ports = '', protocol = 'tcp'] = text.split('/');
  const span = range(ports);
  if (span === undefined || span[0] === 0) throw invalidArgument(`invalid port specification: "${text}"`);
  const name = protocol.toLowerCase();
  if (name !== 'tcp' && name !== 'udp' && name !== 'sctp') {
    throw invalidArgument(
      `invalid port specification: "${text}": unknown protocol "${protocol}" (expected tcp, udp or sctp)`,
    );
  }
  return { first: span[0], last: span[1], protocol: name };
}

/**
 * HostConfig.PortBindings, and with PublishAllPorts the exposed ports that have no binding, in ascending order of the port, as Docker
 * publishes them. Throws invalid-argument in Docker's words; call it at create to refuse a bad request early.
 */
export function portRequests(
  hostConfig: Pick<HostConfig, 'PortBindings' | 'PublishAllPorts'>,
  config: Pick<ContainerConfig, 'ExposedPorts'>,
): readonly PortRequest[] {
  const requests: PortRequest[] = [];
  const bound = new Set<string>();
  for (const [key, bindings] of Object.entries(hostConfig.PortBindings ?? {})) {
    const { first, last, protocol } = parsePort(key);
    for (let port = first; port <= last; port += 1) {
      for (const binding of bindings ?? []) {
        requests.push({
          protocol,
          containerPort: port,
          ...hostSide(binding.HostIp ?? '', binding.HostPort ?? '', port - first),
        });
        bound.add(`${port}/${protocol}`);
      }
    }
  }
  if (hostConfig.PublishAllPorts === true) {
    for (const key of Object.keys(config.ExposedPorts ?? {})) {
      const { first, last, protocol } = parsePort(key);
      for (let port = first; port <= last; port += 1) {
        if (bound.has(`${port}/${protocol}`)) continue;
        requests.push({ protocol, containerPort: port, hostIp: '', hostPort: 0, hostPortEnd: 0 });
      }
    }
  }
  return requests.sort((a, b) => a.containerPort - b.containerPort || a.protocol.localeCompare(b.protocol));
}

/** `offset` counts within a range of container ports that is bound to one host port: the ports go side by side. */
function hostSide(
  hostIp: string,
  hostPort: string,
  offset: number,
): { readonly hostIp: string; readonly hostPort: number; readonly hostPortEnd: number } {
  if (hostIp !== '' && parseAddress(hostIp) === undefined) throw invalidArgument(`invalid IP address: ${hostIp}`);
  if (hostPort === '') return { hostIp, hostPort: 0, hostPortEnd: 0 };
  const span = range(hostPort);
  if (span === undefined) throw invalidArgument(`invalid port specification: "${hostPort}"`);
  if (span[0] === 0) return { hostIp, hostPort: 0, hostPortEnd: 0 };
  const shift = span[0] === span[1] ? offset : 0;
  return { hostIp, hostPort: span[0] + shift, hostPortEnd: span[1] + shift };
}

/**
 * The requests with what was published before kept: an ephemeral port or one of a range stays the number that it got. For ports that move
 * from one endpoint of a container to another.
 */
export function pinned(requests: readonly PortRequest[], before: readonly PublishedPort[]): readonly PortRequest[] {
  const left = [...before];
  return requests.map((request) => {
    if (request.hostPort !== 0 && request.hostPort === request.hostPortEnd) return request;
    const at = left.findIndex(
      (port) =>
        port.protocol === request.protocol &&
        port.containerPort === request.containerPort &&
        (request.hostIp === '' || request.hostIp === port.hostIp),
    );
    const hostPort = left[at]?.hostPort;
    if (hostPort === undefined) return request;
    // The other family's of the same request goes with it.
    for (let index = left.length - 1; index >= 0; index--) {
      const port = left[index];
      if (port?.hostPort === hostPort && port.protocol === request.protocol) left.splice(index, 1);
    }
    return { ...request, hostPort, hostPortEnd: hostPort };
  });
}
