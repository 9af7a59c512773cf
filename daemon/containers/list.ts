// Owns the views of containers: one for inspect, many for `docker ps`.
import { join } from 'node:path';
import type { Image } from '../images/types.ts';
import { type Engine, resolve } from './engine.ts';
import { isRunning } from './lifecycle.ts';
import { matches, parseFilters, type Surroundings } from './list-filters.ts';
import { networkPlan } from './network-plan.ts';
import { keptOomReport } from './oom.ts';
import { baseDirectory, containerDirectory, layerDirectory, logPath } from './paths.ts';
import { layerSize } from './size.ts';
import type { ContainerRecord, ContainerView, ListRequest } from './types.ts';

/** The record with what presenters need beside it. Paths are empty until there is something at them, as in Docker. */
export async function viewOf(engine: Engine, record: ContainerRecord, size: boolean): Promise<ContainerView> {
  const directory = containerDirectory(engine, record.id);
  const everStarted = record.startedNs !== 0n;
  const path = (name: string): string => (everStarted ? join(directory, name) : '');
  const sizeRw = size ? await layerSize(engine, record.id) : undefined;
  return {
    record,
    endpoints: engine.networks.endpointsOf(record.id),
    logPath:
      everStarted && (record.hostConfig.LogConfig?.Type ?? 'json-file') === 'json-file'
        ? logPath(engine, record.id)
        : '',
    logLoss: engine.live.get(record.id)?.process.logLoss ?? engine.logLosses.get(record.id),
    hostnamePath: path('hostname'),
    hostsPath: path('hosts'),
    resolvConfPath: path('resolv.conf'),
    execIds: engine.execs.liveIds(record.id),
    health: engine.healths.of(record.id),
    ...(record.oomKilled ? { oomReport: keptOomReport(engine, record.id) } : {}),
    ...(sizeRw === undefined ? {} : { sizeRw, sizeRootFs: sizeRw + (engine.images.byId(record.imageId)?.size ?? 0) }),
    graphDriver: graphDriver(engine, record),
  };
}

function graphDriver(engine: Engine, record: ContainerRecord): ContainerView['graphDriver'] {
  const layer = layerDirectory(engine, record.id);
  const image = engine.images.byId(record.imageId);
  const lower = image === undefined ? [] : engine.images.lowerDirectories(record.imageId);
  return {
    name: 'overlay2',
    data: {
      LowerDir: [...lower, baseDirectory(engine)].join(':'),
      // The merged tree is mounted in the container's own namespace only.
      MergedDir: '',
      UpperDir: join(layer, 'diff'),
      WorkDir: join(layer, 'work'),
    },
  };
}

/** `docker ps`: newest first. Throws invalid-argument and not-found in Docker's words for filters. */
export async function listContainers(engine: Engine, request: ListRequest): Promise<readonly ContainerView[]> {
  const filters = parseFilters(request.filters);
  const around = surroundings(engine, request);
  const everyState = request.all || filters.everyState || request.limit > 0;
  const records: ContainerRecord[] = [];
  for (const record of engine.table.all()) {
    if (request.limit > 0 && records.length === request.limit) break;
    if (!everyState && !isRunning(record.state)) continue;
    if (matches(record, filters, around)) records.push(record);
  }
  return Promise.all(records.map((record) => viewOf(engine, record, request.size)));
}

function surroundings(engine: Engine, request: ListRequest): Surroundings {
  const { filters } = request;
  const created = (name: string): readonly bigint[] =>
    (filters[name] ?? [])
      .map((reference) => resolve(engine.table, reference).createdNs)
      .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const before = created('before');
  const since = created('since');
  return {
    ancestors: filters.ancestor === undefined ? undefined : ancestors(engine, filters.ancestor),
    createdBefore: before[0],
    createdAfter: since.at(-1),
    networksOf: (record) => networksOf(engine, record),
    healths: engine.healths.statuses(),
  };
}

/** The images that were named and all that were built on them: their layers begin with the named one's. */
function ancestors(engine: Engine, references: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const reference of references) {
    let image: Image;
    try {
      image = engine.images.get(reference);
    } catch {
      // As Docker: an unknown image matches nothing.
      continue;
    }
    found.add(image.id);
    for (const other of engine.images.list()) {
      if (other.parent === image.id || isBuiltOn(other, image)) found.add(other.id);
    }
  }
  return found;
}

const isBuiltOn = (image: Image, base: Image): boolean =>
  base.diffIds.length > 0 &&
  image.diffIds.length > base.diffIds.length &&
  base.diffIds.every((diffId, index) => image.diffIds[index] === diffId);

/** The networks that a container is configured for; their ids are known while it has endpoints. */
function networksOf(
  engine: Engine,
  record: ContainerRecord,
): readonly { readonly name: string; readonly id: string }[] {
  const plan = networkPlan(record.hostConfig, record.networkingConfig);
  if (plan.kind === 'container') return [];
  const names = new Map(engine.networks.list().map((network) => [network.name, network.id]));
  return plan.joins.map(({ network }) => ({ name: network, id: names.get(network) ?? '' }));
}
