// Owns `docker load`: docker-archive (manifest.json) and OCI layout (index.json). Everything that is read is checked before an image
// is recorded: digests of blobs, diff ids of layers, their number.
import type { Readable } from 'node:stream';
import { invalidArgument } from '../base/errors.ts';
import { sha256, shortId } from '../base/ids.ts';
import { parseImageConfig } from './image-config.ts';
import type { ImageStore } from './image-store.ts';
import { chainIdsOf, type LayerOrigin, type LayerStore } from './layer-store.ts';
import { LoadArchive } from './load-archive.ts';
import { readDockerArchive } from './load-docker.ts';
import { readOciLayout } from './load-oci.ts';
import { fitness, type Platform, parsePlatform, platformName, platformOf } from './platform.ts';
import { familiarName, type Reference, withDefaultTag } from './reference.ts';
import type { Progress } from './types.ts';

/** An image as an archive describes it. */
export interface ArchivedImage {
  /** Config JSON. */
  readonly config: Uint8Array;
  readonly references: readonly Reference[];
  /** The lowest first. */
  readonly layers: readonly LayerOrigin[];
  readonly parent: string;
}

type Report = (line: Progress) => void;

interface Loader {
  readonly layers: LayerStore;
  readonly store: ImageStore;
  readonly report: Report;
  readonly quiet: boolean;
}

/** Loads all images of the archive, one after the other; one that is broken ends the load, those before it stay. */
export async function loadImages(
  layers: LayerStore,
  store: ImageStore,
  body: Readable,
  options: { readonly quiet: boolean; readonly platform: string },
  report: Report,
): Promise<void> {
  const platform = parsePlatform(options.platform);
  const archive = await LoadArchive.receive(body, layers.temporary('spool'));
  try {
    const images = describe(archive, platform);
    const loader: Loader = { layers, store, report, quiet: options.quiet };
    const untagged: string[] = [];
    let tags = 0;
    for (const image of images) {
      const id = await loadImage(loader, image, platform);
      tags += image.references.length;
      untagged.push(id);
    }
    if (tags === 0) for (const id of untagged) report({ stream: `Loaded image ID: ${id}\n` });
  } finally {
    archive.close();
    layers.secure();
  }
}

function describe(archive: LoadArchive, platform: Platform | undefined): readonly ArchivedImage[] {
  if (archive.has('manifest.json')) return readDockerArchive(archive);
  if (archive.has('index.json')) return readOciLayout(archive, platform);
  throw invalidArgument('invalid archive: neither manifest.json nor index.json found');
}

function checkPlatform(image: ArchivedImage, found: Platform, wanted: Platform | undefined): void {
  if (found.os !== 'linux') throw invalidArgument(`cannot load ${found.os} image on linux`);
  if (wanted === undefined || fitness(wanted, found) > 0) return;
  const [reference] = image.references;
  const name = reference === undefined ? sha256(image.config) : familiarName(withDefaultTag(reference));
  throw invalidArgument(
    `image with reference ${name} was found but does not provide the specified platform (${platformName(wanted)})`,
  );
}

async function loadImage(loader: Loader, image: ArchivedImage, platform: Platform | undefined): Promise<string> {
  const config = parseImageConfig(image.config);
  checkPlatform(image, platformOf(config), platform);
  if (config.diffIds.length !== image.layers.length) {
    throw invalidArgument(
      `invalid manifest, layers length mismatch: expected ${config.diffIds.length}, got ${image.layers.length}`,
    );
  }
  const chainIds = chainIdsOf(config.diffIds);
  const id = sha256(image.config);
  return loader.layers.holding(chainIds, async () => {
    const made = image.layers.map((origin, position) => loadLayer(loader, config.diffIds, chainIds, position, origin));
    // All of them end before the archive is closed under them.
    const results = await Promise.allSettled(made);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    const before = loader.store.record({
      id,
      config: image.config,
      parent: image.parent,
      chainIds,
      references: image.references,
      action: 'load',
    });
    for (const reference of image.references) {
      const name = familiarName(withDefaultTag(reference));
      const previous = before.get(reference);
      if (previous !== undefined) {
        loader.report({
          stream: `The image ${name} already exists, renaming the old one with ID ${previous} to empty string\n`,
        });
      }
      loader.report({ stream: `Loaded image: ${name}\n` });
    }
    return id;
  });
}

async function loadLayer(
  loader: Loader,
  diffIds: readonly string[],
  chainIds: readonly string[],
  position: number,
  origin: LayerOrigin,
): Promise<void> {
  const diffId = diffIds[position] ?? '';
  const total = origin.source.length ?? 0;
  const tell = (current: number) => {
    if (loader.quiet) return;
    loader.report({ id: shortId(diffId), status: 'Loading layer', progressDetail: { current, total } });
  };
  await loader.layers.ensure(position === 0 ? '' : (chainIds[position - 1] ?? ''), diffId, position, async () => {
    tell(0);
    return origin;
  });
  tell(total);
}
