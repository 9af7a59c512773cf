// Owns the handlers of the engine itself: ping, version, info, events, disk usage, the API definition.
import {
  atLeast,
  buildOpenApi,
  type ContainerSummary,
  type ImageSummary,
  routes,
  type Volume,
} from '../../../api-spec/index.ts';
import { invalidArgument } from '../../base/errors.ts';
import { summarizeContainer } from '../presenters/container.ts';
import { presentCache, presentUsage, type Usage } from '../presenters/disk-usage.ts';
import { presentEvent } from '../presenters/event.ts';
import { sharedSizes, summarizeImage, totalLayerSize } from '../presenters/image.ts';
import { presentInfo, presentVersion } from '../presenters/system.ts';
import { presentVolume } from '../presenters/volume.ts';
import { imageNamer, networkNames, nowNs, type RouteContext, timeOf } from './context.ts';

// The classic builder is the one that this engine will have: clients must not try BuildKit by themselves.
const pingHeaders = {
  'Builder-Version': '1',
  Swarm: 'inactive',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
};

export function systemRoutes({ services, on }: RouteContext): void {
  const { system, events } = services;

  on(routes.SystemPing, () => ({ status: 200, text: 'OK', headers: pingHeaders }));
  on(routes.SystemPingHead, () => ({
    status: 200,
    headers: { ...pingHeaders, 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': '0' },
  }));
  on(routes.SystemVersion, () => ({ status: 200, body: presentVersion(system.version()) }));
  on(routes.SystemInfo, ({ version }) => ({ status: 200, body: presentInfo(system.info(), version) }));
  on(routes.OpenApi, () => ({ status: 200, body: buildOpenApi(routes) as Record<string, unknown> }));

  on(routes.TsdLeaks, async () => ({ status: 200, body: await system.leaks() }));
  on(routes.TsdLeaksHeal, async () => ({ status: 200, body: await system.heal() }));

  on(routes.SystemEvents, ({ query, version, gone }) => {
    const now = nowNs();
    const since = timeOf('since', query.since, now);
    const until = timeOf('until', query.until, now);
    if (since !== undefined && until !== undefined && until < since) {
      throw invalidArgument(`\`since\` time (${query.since}) cannot be after \`until\` time (${query.until})`);
    }
    const stream = events.stream({ since, until, filters: query.filters, signal: gone });
    return {
      status: 200,
      contentType: atLeast(version, '1.52') ? 'application/jsonl' : 'application/json',
      lines: async (lines) => {
        lines.open();
        for await (const event of stream) await lines.write(presentEvent(event, version));
      },
    };
  });

  on(routes.SystemDataUsage, async ({ query, version }) => {
    const usage = await collectUsage(services, typesOf(query.type), version);
    return { status: 200, body: presentUsage(usage, query.verbose, version) };
  });
}

const usageTypes = ['container', 'image', 'volume', 'build-cache'];

/** The areas asked for; none named is all of them. */
function typesOf(types: readonly string[]): ReadonlySet<string> {
  const unknown = types.find((type) => !usageTypes.includes(type));
  if (unknown !== undefined) throw invalidArgument(`unknown object type: ${unknown}`);
  return new Set(types.length === 0 ? usageTypes : types);
}

type Services = RouteContext['services'];

async function collectUsage(services: Services, types: ReadonlySet<string>, version: string): Promise<Usage> {
  return {
    layersSize: totalLayerSize(services.images.list()),
    ...(types.has('build-cache') ? { buildCache: services.builds.cacheRecords().map(presentCache) } : {}),
    ...(types.has('image') ? { images: imageUsage(services, version) } : {}),
    ...(types.has('container') ? { containers: await containerUsage(services, version) } : {}),
    ...(types.has('volume') ? { volumes: await volumeUsage(services) } : {}),
  };
}

function imageUsage({ images, containers }: Services, version: string): ImageSummary[] {
  const all = images.list();
  const shared = sharedSizes(all);
  return all.map((image) =>
    summarizeImage(image, {
      version,
      sharedSize: shared.get(image.id) ?? 0,
      containers: containers.containersOf(image.id).length,
    }),
  );
}

async function containerUsage(services: Services, version: string): Promise<ContainerSummary[]> {
  const views = await services.containers.list({ all: true, limit: 0, size: true, filters: {} });
  const names = networkNames(services);
  const imageName = imageNamer(services);
  const now = nowNs();
  return views.map((view) =>
    summarizeContainer(view, names, imageName(view.record.imageReference, view.record.imageId), now, version),
  );
}

async function volumeUsage({ volumes, system }: Services): Promise<Volume[]> {
  const sizes = new Map((await system.volumeSizes()).map((one) => [one.name, one]));
  return volumes.list().map((volume) => presentVolume(volume, sizes.get(volume.name) ?? { size: -1, references: -1 }));
}
