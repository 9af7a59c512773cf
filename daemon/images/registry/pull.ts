// Owns `docker pull`: from a name to a recorded image. Order: manifest (through the index to the platform), config, layers, one transaction.
import { type EngineError, invalidArgument, notFound } from '../../base/errors.ts';
import { sha256 } from '../../base/ids.ts';
import { nowNs } from '../../base/time.ts';
import { type ImageConfigFile, parseImageConfig } from '../image-config.ts';
import { chainIdsOf } from '../layer-store.ts';
import { fitness, hostPlatform, type Platform, parsePlatform, platformName, platformOf } from '../platform.ts';
import {
  familiarName,
  familiarRepository,
  parseReference,
  type Reference,
  repositoryOf,
  storedName,
} from '../reference.ts';
import type { RemoteManifest } from './client.ts';
import type { Repository } from './connect.ts';
import { pullError, RegistryFailure } from './failure.ts';
import { checkImage, choosePlatform, type Descriptor, type Document, noPlatform, parseDocument } from './manifest.ts';
import { pullLayers } from './pull-layers.ts';
import type { RegistryParts } from './session.ts';
import type { PullRequest, Report } from './types.ts';

type ImageDocument = Extract<Document, { kind: 'manifest' }>;

/** An image as the registry describes it. */
interface Found {
  /** What the name stands for: an index or a manifest. */
  readonly top: RemoteManifest;
  readonly manifest: RemoteManifest;
  readonly document: ImageDocument;
}

const MAX_CONFIG = 8 * 1024 * 1024;
const MAX_NESTING = 4;

/** Pulls the image, or all tags of a repository. Progress comes after the manifest was found, so that its lack is an ordinary error. */
export async function pull(
  parts: RegistryParts,
  request: PullRequest,
  parallel: number,
  report: Report,
): Promise<void> {
  const reference = parseReference(request.reference);
  if (repositoryOf(reference) === 'docker.io/library/scratch') throw invalidArgument("'scratch' is a reserved name");
  const platform = parsePlatform(request.platform);
  try {
    const repository = await parts.connector.forPull(reference, request.credentials, request.signal);
    const one = new Pull(parts, repository, platform, parallel, report, request.signal);
    const whole = reference.tag === '' && reference.digest === '';
    const references = whole ? await allTags(repository, reference) : [reference];
    let changed = false;
    for (const each of references) changed = (await one.image(each)) || changed;
    const words = changed ? 'Downloaded newer image for' : 'Image is up to date for';
    report({ status: `Status: ${words} ${familiarName(reference)}` });
  } catch (error) {
    throw pullError(reference, error);
  }
}

async function allTags(repository: Repository, reference: Reference): Promise<Reference[]> {
  const { value } = await repository.first((client) => client.tags(), { resolve: true });
  if (value.length === 0) throw notFound(`repository ${familiarRepository(reference)} not found: it has no tags`);
  return value.map((tag) => ({ ...reference, tag }));
}

class Pull {
  readonly #parts: RegistryParts;
  readonly #repository: Repository;
  /** As the client asked; undefined: this host's. */
  readonly #asked: Platform | undefined;
  readonly #parallel: number;
  readonly #report: Report;
  readonly #signal: AbortSignal;

  constructor(
    parts: RegistryParts,
    repository: Repository,
    asked: Platform | undefined,
    parallel: number,
    report: Report,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#repository = repository;
    this.#asked = asked;
    this.#parallel = parallel;
    this.#report = report;
    this.#signal = signal;
  }

  /** True when the name means another image than before. */
  async image(reference: Reference): Promise<boolean> {
    const found = await this.#find(reference);
    this.#report({ status: `Pulling from ${reference.path}`, id: reference.digest || reference.tag });
    const { config } = found.document;
    const known = this.#parts.images.get(config.digest);
    const bytes = known?.config ?? (await this.#config(config));
    const file = parseImageConfig(bytes);
    this.#checkPlatform(reference, file);
    const { layers } = found.document;
    if (layers.length !== file.diffIds.length) {
      throw invalidArgument(
        `invalid manifest, layers length mismatch: expected ${file.diffIds.length}, got ${layers.length}`,
      );
    }
    const chainIds = chainIdsOf(file.diffIds);
    const changed = await this.#parts.layers.holding(chainIds, async () => {
      // A row of the image has its layers: there is nothing to say about them.
      if (known === undefined) {
        await pullLayers(this.#parts.layers, this.#parts.downloads, {
          repository: this.#repository,
          blobs: layers,
          diffIds: file.diffIds,
          chainIds,
          parallel: this.#parallel,
          report: this.#report,
          signal: this.#signal,
        });
      }
      this.#signal.throwIfAborted();
      return this.#record(reference, found, bytes, file, chainIds);
    });
    this.#parts.layers.secure();
    this.#report({ status: `Digest: ${found.top.digest}` });
    return changed;
  }

  async #find(reference: Reference): Promise<Found> {
    const byDigest = reference.digest !== '';
    const name = byDigest ? reference.digest : reference.tag;
    const known = this.#knownManifests(reference);
    const top = (await this.#unchanged(reference, known)) ?? known.get(name) ?? (await this.#fetch(name, !byDigest));
    let manifest = top;
    let document = parseDocument(top.bytes, top.mediaType);
    for (let depth = 0; document.kind === 'index'; depth++) {
      if (depth >= MAX_NESTING) throw invalidArgument('invalid manifest: indexes are nested too deeply');
      const wanted = this.#asked ?? hostPlatform();
      const entry = choosePlatform(document.entries, wanted);
      if (entry === undefined) throw notFound(noPlatform(wanted));
      manifest = known.get(entry.digest) ?? (await this.#child(entry));
      document = parseDocument(manifest.bytes, manifest.mediaType);
    }
    checkImage(document);
    return { top, manifest, document };
  }

  /** Manifests, by digest, of the image that the name means here. */
  #knownManifests(reference: Reference): ReadonlyMap<string, RemoteManifest> {
    const id = this.#parts.images.reference(storedName(reference))?.imageId;
    const rows = id === undefined ? [] : this.#parts.table.manifests(id);
    return new Map(rows.map(({ content: bytes, mediaType, digest }) => [digest, { bytes, mediaType, digest }]));
  }

  /** The manifest that is known already when the tag still means it: a question that registries do not count as a pull. */
  async #unchanged(
    reference: Reference,
    known: ReadonlyMap<string, RemoteManifest>,
  ): Promise<RemoteManifest | undefined> {
    if (reference.digest !== '' || known.size === 0) return undefined;
    try {
      const { value } = await this.#repository.first((client) => client.resolve(reference.tag), { resolve: true });
      return value === undefined ? undefined : known.get(value);
    } catch (error) {
      // The whole question has an answer that says why.
      if (error instanceof RegistryFailure) return undefined;
      throw error;
    }
  }

  async #fetch(name: string, resolve: boolean): Promise<RemoteManifest> {
    const { value } = await this.#repository.first((client) => client.manifest(name), { resolve });
    return value;
  }

  async #child(entry: Descriptor): Promise<RemoteManifest> {
    const { value } = await this.#repository.first((client) => client.manifest(entry.digest));
    if (value.bytes.length !== entry.size) {
      throw invalidArgument(`manifest ${entry.digest} has ${value.bytes.length} bytes, its index says ${entry.size}`);
    }
    return value;
  }

  async #config(config: Descriptor): Promise<Uint8Array> {
    if (config.size > MAX_CONFIG) {
      throw invalidArgument(`invalid manifest: the config has ${config.size} bytes, more than ${MAX_CONFIG}`);
    }
    const { value } = await this.#repository.first((client) => client.blobBytes(config.digest, config.size));
    return value;
  }

  #checkPlatform(reference: Reference, file: ImageConfigFile): void {
    const actual = platformOf(file);
    if (actual.os !== 'linux') {
      throw invalidArgument(`image operating system ${JSON.stringify(actual.os)} cannot be used on this platform`);
    }
    if (this.#asked === undefined || fitness(this.#asked, actual) > 0) return;
    throw mismatch(reference, this.#asked, actual);
  }

  #record(
    reference: Reference,
    found: Found,
    config: Uint8Array,
    file: ImageConfigFile,
    chainIds: readonly string[],
  ): boolean {
    const { database, store, images, table } = this.#parts;
    const id = sha256(config);
    const repository = repositoryOf(reference);
    const digestReference: Reference = { ...reference, tag: '', digest: found.top.digest };
    const references = reference.digest === '' ? [reference, digestReference] : [digestReference];
    return database.transaction(() => {
      const [named = digestReference] = references;
      const before = images.reference(storedName(named))?.imageId;
      store.record({
        id,
        config,
        parent: '',
        chainIds,
        references,
        // The event has the names that the client gave.
        action: '',
      });
      store.namedEvent('pull', id, { id: familiarName(reference), name: familiarRepository(reference) });
      const seenNs = nowNs();
      for (const manifest of new Set([found.top, found.manifest])) {
        const { digest, bytes: content } = manifest;
        table.addManifest({ imageId: id, digest, mediaType: manifestType(manifest), content, seenNs });
      }
      for (const [position, blob] of found.document.layers.entries()) {
        const { digest, mediaType, size } = blob;
        table.addLayerBlob({ diffId: file.diffIds[position] ?? '', digest, repository, mediaType, size, seenNs });
      }
      return before !== id;
    });
  }
}

/** As the document says; a registry's header may have parameters. */
const manifestType = (manifest: RemoteManifest): string => parseDocument(manifest.bytes, manifest.mediaType).mediaType;

const mismatch = (reference: Reference, wanted: Platform, actual: Platform): EngineError =>
  notFound(
    `image with reference ${familiarName(reference)} was found but does not match the specified platform: wanted ${platformName(wanted)}, actual: ${platformName(actual)}`,
  );
