// Owns the legacy links of the default bridge (HostConfig.Links): their checks at create, and the lines that they give to /etc/hosts. On
// user-defined networks links are names of the resolver. The variables that old engines made of a link are not made, as by dockerd 29.
import type { HostConfig } from '../../api-spec/index.ts';
import { internal, invalidArgument, messageOf } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import type { Engine } from './engine.ts';
import { resolve } from './engine.ts';
import { hasProcess } from './lifecycle.ts';
import type { ContainerRecord } from './types.ts';

interface Link {
  readonly target: string;
  readonly alias: string;
}

/** `NAME` or `NAME:ALIAS`, of a container on the default bridge; none on other networks. */
function linksOf({ NetworkMode: mode = '', Links: links }: HostConfig): readonly Link[] {
  if (mode !== 'bridge' && mode !== 'default' && mode !== '') return [];
  return (links ?? []).map((link) => {
    const [target = '', alias = target] = link.split(':');
    return { target: target.replace(/^\//, ''), alias: alias.replace(/^.*\//, '') };
  });
}

/** At create. Throws invalid-argument when a linked container is not there. */
export function checkLinks(engine: Engine, hostConfig: HostConfig): void {
  for (const { target } of linksOf(hostConfig)) {
    try {
      resolve(engine.table, target);
    } catch (error) {
      throw invalidArgument(`could not get container for ${target}: ${messageOf(error)}`, error);
    }
  }
}

/** Address and names of each linked container. Throws in Docker's words when one does not run. */
export function linkedHosts(engine: Engine, record: ContainerRecord): readonly (readonly [string, string])[] {
  return linksOf(record.hostConfig).flatMap(({ target, alias }) => {
    const other = resolve(engine.table, target);
    if (!hasProcess(other.state)) {
      throw internal(`Cannot link to a non running container: /${other.name} AS /${record.name}/${alias}`);
    }
    const bridge = engine.networks.get('bridge').id;
    const endpoint = engine.networks.endpointsOf(other.id).find(({ networkId }) => networkId === bridge);
    const names = [...new Set([alias, shortId(other.id), other.name])].join(' ');
    return [endpoint?.ipAddress ?? '', endpoint?.ipv6Address ?? ''].map((address) => [address, names] as const);
  });
}
