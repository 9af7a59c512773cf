// Owns the handlers of images. Each parses, calls the service once and presents.
import { type ImageSummary, routes } from '../../../api-spec/index.ts';
import { invalidArgument, notImplemented } from '../../base/errors.ts';
import { presentHistory, presentImage, sharedSizes, summarizeImage } from '../presenters/image.ts';
import type { RouteContext } from './context.ts';
import { pullAnswer } from './registry.ts';

/** `name` and `tag` (or digest) of a query as one reference. */
export function joinReference(name: string, tag: string): string {
  if (name === '' || tag === '') return name;
  return tag.includes(':') ? `${name}@${tag}` : `${name}:${tag}`;
}

export function imageRoutes({ services, on }: RouteContext): void {
  const { images, containers } = services;

  on(routes.ImageList, ({ query, version }) => {
    const filters = query.filter ? { ...query.filters, reference: [query.filter] } : query.filters;
    const found = images.list({ filters, all: query.all });
    const shared = query['shared-size'] ? sharedSizes(images.list()) : undefined;
    const body: ImageSummary[] = found.map((image) =>
      summarizeImage(image, { version, ...(shared === undefined ? {} : { sharedSize: shared.get(image.id) ?? 0 }) }),
    );
    return { status: 200, body };
  });

  on(routes.ImageInspect, ({ params, version }) => {
    const image = images.get(params.name);
    return { status: 200, body: presentImage(image, images.lowerDirectories(image.id), version) };
  });

  on(routes.ImageHistory, ({ params }) => ({ status: 200, body: presentHistory(images.get(params.name)) }));

  on(routes.ImageAttestations, ({ params }) => {
    images.get(params.name);
    throw notImplemented('attestations are not kept by this engine yet');
  });

  on(routes.ImageTag, ({ params, query }) => {
    images.tag(params.name, query.repo ?? '', query.tag ?? '');
    return { status: 201 };
  });

  on(routes.ImageDelete, async ({ params, query }) => {
    const removed = await images.remove(params.name, { force: query.force, prune: !query.noprune });
    return { status: 200, body: [...removed] };
  });

  on(routes.ImagePrune, async ({ query }) => {
    const { deleted, reclaimed } = await images.prune(query.filters);
    return {
      status: 200,
      body: { ImagesDeleted: [...deleted], SpaceReclaimed: reclaimed },
    };
  });

  on(routes.ImageCreate, (request) => {
    const { query, content } = request;
    if (query.fromImage) {
      const reference = joinReference(query.fromImage, query.tag ?? '');
      return pullAnswer(services, { reference, platform: query.platform ?? '' }, request);
    }
    if (query.fromSrc === undefined || query.fromSrc === '') {
      throw invalidArgument('fromImage or fromSrc: expected one of them');
    }
    const { fromSrc } = query;
    // As dockerd: a source without a scheme is taken for a host and path.
    const url = fromSrc === '-' || /^https?:\/\//.test(fromSrc) ? fromSrc : `http://${fromSrc}`;
    return {
      status: 200,
      lines: async (lines) => {
        const body = url === '-' ? content : await services.registry.fetch(url, request.gone);
        if (url !== '-') lines.push({ status: `Downloading from ${url}` });
        await images.import(
          {
            body,
            reference: joinReference(query.repo ?? '', query.tag ?? ''),
            message: query.message || `Imported from ${url}`,
            changes: query.changes,
            platform: query.platform ?? '',
          },
          (line) => void lines.push(line),
        );
      },
    };
  });

  on(routes.ImageLoad, ({ query, content }) => ({
    status: 200,
    lines: (lines) =>
      images.load(content, { quiet: query.quiet, platform: query.platform[0] ?? '' }, (line) => void lines.push(line)),
  }));

  on(routes.ImageGet, ({ params, query }) => ({
    status: 200,
    stream: images.save([params.name], query.platform[0] ?? ''),
    contentType: 'application/x-tar',
  }));

  on(routes.ImageGetAll, ({ query }) => {
    if (query.names.length === 0) throw invalidArgument('names: expected at least one image');
    return { status: 200, stream: images.save(query.names, query.platform[0] ?? ''), contentType: 'application/x-tar' };
  });

  on(routes.ImageCommit, async ({ query, body }) => {
    const id = await containers.commit(query.container ?? '', {
      reference: joinReference(query.repo ?? '', query.tag ?? ''),
      author: query.author ?? '',
      comment: query.comment ?? '',
      pause: query.pause,
      changes: query.changes,
      config: body,
    });
    return { status: 201, body: { Id: id } };
  });
}
