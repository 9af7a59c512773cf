// Owns `docker push`: layers that the registry lacks, then the config, then the manifest. What the registry has already is not sent: by the
// digests that this engine saw there, or by a mount from another of its repositories. An image that was pulled keeps its manifest, byte for
// byte, as long as its blobs are there.
import { internal, invalidArgument, notFound } from '../../base/errors.ts';
import { sha256, shortId } from '../../base/ids.ts';
import { nowNs } from '../../base/time.ts';
import type { ImageRow, LayerRow } from '../../store/images.ts';
import type { LayerBlobRow } from '../../store/registry.ts';
import { fitness, type Platform, parsePlatform, platformName, platformOf } from '../platform.ts';
import {
  familiarName,
  familiarRepository,
  parseReference,
  parseStored,
  type Reference,
  repositoryOf,
  storedName,
} from '../reference.ts';
import type { RepositoryClient } from './client.ts';
import { registryError } from './failure.ts';
import { uploadLayer } from './layer-upload.ts';
import { type Descriptor, makeManifest, type NewManifest, parseDocument } from './manifest.ts';
import { compressionOf } from './media-types.ts';
import { LayerProgress } from './progress.ts';
import type { RegistryParts } from './session.ts';
import type { PushRequest, Report } from './types.ts';

export interface PushLimits {
  readonly parallel: number;
  readonly attempts: number;
}

/** Digest of no bytes: a blob to ask for when only the answer counts. */
const NOTHING = sha256('');
/** Of one layer: more places would only be more questions. */
const MAX_ASKED = 3;

export async function push(
  parts: RegistryParts,
  request: PushRequest,
  limits: PushLimits,
  report: Report,
): Promise<void> {
  const reference = parseReference(request.reference);
  if (reference.digest !== '') throw invalidArgument('cannot push a digest reference');
  const platform = parsePlatform(request.platform);
  const shown = familiarRepository(reference);
  report({ status: `The push refers to repository [${repositoryOf(reference)}]` });
  const targets = tagsOf(parts, reference);
  if (targets.length === 0) throw notFound(`An image does not exist locally with the tag: ${shown}`);
  const wanted = targets.filter((target) => reference.tag === '' || target.tag === reference.tag);
  if (wanted.length === 0) throw notFound(`tag does not exist: ${familiarName(reference)}`);
  try {
    const repository = await parts.connector.forPush(reference, request.credentials, request.signal);
    // The first question decides which endpoint it is, and fetches the token for all that follows.
    const { client } = await repository.first((candidate) => candidate.blobSize(NOTHING));
    for (const target of wanted) await new Push(parts, client, target, limits, report, request.signal).image(platform);
  } catch (error) {
    throw registryError(error);
  }
}

/** The local tags of the repository; those that have only a digest are none. */
function tagsOf(parts: RegistryParts, reference: Reference): Reference[] {
  const repository = repositoryOf(reference);
  return parts.images
    .references()
    .map((row) => parseStored(row.name))
    .filter((stored) => repositoryOf(stored) === repository && stored.tag !== '');
}

class Push {
  readonly #parts: RegistryParts;
  readonly #client: RepositoryClient;
  readonly #target: Reference;
  readonly #limits: PushLimits;
  readonly #report: Report;
  readonly #signal: AbortSignal;

  constructor(
    parts: RegistryParts,
    client: RepositoryClient,
    target: Reference,
    limits: PushLimits,
    report: Report,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#client = client;
    this.#target = target;
    this.#limits = limits;
    this.#report = report;
    this.#signal = signal;
  }

  async image(platform: Platform | undefined): Promise<void> {
    const { images, catalog, layers: store } = this.#parts;
    const name = storedName(this.#target);
    const id = images.reference(name)?.imageId;
    const row = id === undefined ? undefined : images.get(id);
    if (row === undefined) throw notFound(`tag does not exist: ${familiarName(this.#target)}`);
    const actual = platformOf(catalog.configOf(row));
    if (platform !== undefined && fitness(platform, actual) === 0) {
      throw notFound(
        `image with reference ${familiarName(this.#target)} was found but does not provide the specified platform (${platformName(platform)})`,
      );
    }
    const layers = store.table.ofImage(row.id);
    const chainIds = layers.map((layer) => layer.chainId);
    await store.holding(chainIds, async () => {
      const blobs = await this.#layers(layers, this.#named(row));
      await this.#config(row);
      await this.#manifest(row, blobs);
    });
  }

  /** Resolves with what the registry has of each layer, in order. */
  async #layers(layers: readonly LayerRow[], named: ReadonlySet<string>): Promise<Descriptor[]> {
    const distinct = new Map(layers.map((layer) => [layer.diffId, layer]));
    const progress = new Map<string, LayerProgress>();
    for (const diffId of [...distinct.keys()].reverse()) {
      const one = new LayerProgress(shortId(diffId), this.#report);
      one.word('Preparing');
      progress.set(diffId, one);
    }
    for (const [, waiting] of [...progress].slice(this.#limits.parallel)) waiting.word('Waiting');
    const failed = new AbortController();
    const signal = AbortSignal.any([this.#signal, failed.signal]);
    const found = new Map<string, Descriptor>();
    const work = [...distinct.values()].map(async (layer) => {
      const one = progress.get(layer.diffId);
      if (one === undefined) throw internal(`layer ${layer.diffId} has no progress`);
      try {
        found.set(layer.diffId, await this.#parts.uploads.run(signal, () => this.#layer(layer, named, one, signal)));
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    });
    const results = await Promise.allSettled(work);
    this.#signal.throwIfAborted();
    if (failed.signal.aborted) throw failed.signal.reason;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return layers.map((layer) => found.get(layer.diffId)).filter((blob) => blob !== undefined);
  }

  /** Digests of the layers that manifests of this image name. */
  #named(row: ImageRow): ReadonlySet<string> {
    const digests = this.#parts.table.manifests(row.id).flatMap(({ content, mediaType }) => {
      const document = parseDocument(content, mediaType);
      return document.kind === 'manifest' ? document.layers.map((layer) => layer.digest) : [];
    });
    return new Set(digests);
  }

  async #layer(
    layer: LayerRow,
    named: ReadonlySet<string>,
    progress: LayerProgress,
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const client = this.#client.with(signal);
    // The image's own form first. Of other images' forms only gzip, which every engine can read, so that an image is not made unreadable
    // for some by what another one happened to be.
    const places = this.#parts.table.layerBlobs(layer.diffId);
    const own = places.filter((place) => named.has(place.digest));
    const others = places.filter((place) => !named.has(place.digest) && compressionOf(place.mediaType) === 'gzip');
    const known = [...own, ...others];
    const there = await this.#existing(client, known);
    if (there !== undefined) {
      progress.word('Layer already exists');
      this.#remember(layer, there);
      return there;
    }
    const mounted = await this.#mounted(client, known);
    if (mounted !== undefined) {
      progress.word(`Mounted from ${mounted.from}`);
      this.#remember(layer, mounted.blob);
      return mounted.blob;
    }
    const blob = await uploadLayer(this.#parts.layers, {
      layer,
      client,
      attempts: this.#limits.attempts,
      moved: (bytes) => progress.amount('Pushing', bytes, layer.tarSize),
      retrying: (seconds) => progress.word(`Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`),
      signal,
    });
    progress.word('Pushed');
    this.#remember(layer, blob);
    return blob;
  }

  /** A blob of the layer that the repository itself is known to have, or may have. */
  async #existing(client: RepositoryClient, known: readonly LayerBlobRow[]): Promise<Descriptor | undefined> {
    const repository = repositoryOf(this.#target);
    const own = known.filter((row) => row.repository === repository);
    const others = known.filter((row) => row.repository !== repository);
    const asked = new Map([...own, ...others].map((row) => [row.digest, row]));
    for (const { digest, mediaType, size } of [...asked.values()].slice(0, MAX_ASKED)) {
      if ((await client.blobSize(digest)) !== undefined) return { digest, mediaType, size };
      this.#parts.table.deleteLayerBlob(digest, repository);
    }
    return undefined;
  }

  async #mounted(
    client: RepositoryClient,
    known: readonly LayerBlobRow[],
  ): Promise<{ readonly blob: Descriptor; readonly from: string } | undefined> {
    const { domain } = this.#target;
    const repository = repositoryOf(this.#target);
    const sources = known.filter(
      (row) => row.repository !== repository && parseStored(row.repository).domain === domain,
    );
    for (const row of sources.slice(0, MAX_ASKED)) {
      const { digest, mediaType, size } = row;
      const from = parseStored(row.repository).path;
      if (await client.mount(digest, from)) return { blob: { digest, mediaType, size }, from };
    }
    return undefined;
  }

  #remember(layer: LayerRow, blob: Descriptor): void {
    const { digest, mediaType, size } = blob;
    const repository = repositoryOf(this.#target);
    this.#parts.table.addLayerBlob({ diffId: layer.diffId, digest, repository, mediaType, size, seenNs: nowNs() });
  }

  async #config(row: ImageRow): Promise<void> {
    if ((await this.#client.blobSize(row.id)) !== undefined) return;
    const location = await this.#client.startUpload();
    await this.#client.finishUpload(location, row.id, row.config);
  }

  async #manifest(row: ImageRow, blobs: readonly Descriptor[]): Promise<void> {
    const { bytes, mediaType } =
      this.#known(row, blobs) ?? makeManifest({ digest: row.id, size: row.config.length }, blobs);
    const { tag } = this.#target;
    await this.#client.putManifest(tag, bytes, mediaType);
    const digest = sha256(bytes);
    this.#record(row, { bytes, mediaType }, digest);
    this.#report({ status: `${tag}: digest: ${digest} size: ${bytes.length}` });
    this.#report({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: bytes.length } });
  }

  /** A manifest of the image that names exactly these blobs. */
  #known(row: ImageRow, blobs: readonly Descriptor[]): NewManifest | undefined {
    for (const { content, mediaType } of this.#parts.table.manifests(row.id)) {
      const document = parseDocument(content, mediaType);
      if (document.kind !== 'manifest' || document.config.digest !== row.id) continue;
      const same =
        document.layers.length === blobs.length &&
        document.layers.every((layer, position) => layer.digest === blobs[position]?.digest);
      if (same) return { bytes: content, mediaType };
    }
    return undefined;
  }

  #record(row: ImageRow, manifest: NewManifest, digest: string): void {
    const { database, images, store, table } = this.#parts;
    const target = this.#target;
    database.transaction(() => {
      // The image may have been removed while it was being pushed.
      if (images.get(row.id) === undefined) return;
      const { bytes: content, mediaType } = manifest;
      table.addManifest({ imageId: row.id, digest, mediaType, content, seenNs: nowNs() });
      images.setReference(storedName({ ...target, tag: '', digest }), row.id, nowNs());
      store.namedEvent('push', row.id, { id: familiarName(target), name: familiarRepository(target) });
    });
  }
}
