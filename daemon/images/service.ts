// Owns the images room as the rest of the engine sees it: it puts the parts together and holds no logic of its own.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import { invalidArgument, notFound } from '../base/errors.ts';
import type { Leak } from '../base/leak.ts';
import type { Log } from '../base/log.ts';
import type { Database } from '../store/database.ts';
import type { EventTable } from '../store/events.ts';
import { ImageTable } from '../store/images.ts';
import { Catalog } from './catalog.ts';
import { commitImage } from './commit.ts';
import { ImageStore } from './image-store.ts';
import { importImage } from './import.ts';
import { defaultLimits, type LayerLimits, LayerStore } from './layer-store.ts';
import { loadImages } from './load.ts';
import { parseReference, withDefaultTag, withTag } from './reference.ts';
import { RegistryService } from './registry/service.ts';
import type { Registry, RegistrySettings } from './registry/types.ts';
import { Remover } from './remove.ts';
import { Saver } from './save.ts';
import type {
  CommitRequest,
  Filters,
  Image,
  ImageRemoval,
  Images,
  ImageUsage,
  ImportRequest,
  Progress,
} from './types.ts';

export interface ImageServiceOptions {
  readonly database: Database;
  readonly events: EventTable;
  /** Absolute; layers/ and tmp/ are made below it. */
  readonly dataRoot: string;
  readonly usage: ImageUsage;
  readonly log: Log;
  /** Of /proc/sys/kernel/random/boot_id when not given. */
  readonly bootId?: string;
  readonly limits?: LayerLimits;
  /** dockerd's defaults when not given. */
  readonly registry?: { readonly settings: () => RegistrySettings; readonly userAgent: string };
}

const defaultSettings: RegistrySettings = {
  insecureRegistries: [],
  registryMirrors: [],
  registries: {},
  maxConcurrentDownloads: 3,
  maxConcurrentUploads: 5,
  maxDownloadAttempts: 5,
};

const currentBoot = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

export class ImageService implements Images {
  readonly registry: Registry;
  readonly #table: ImageTable;
  readonly #layers: LayerStore;
  readonly #catalog: Catalog;
  readonly #store: ImageStore;
  readonly #remover: Remover;
  readonly #saver: Saver;
  readonly #database: Database;
  readonly #log: Log;

  constructor(options: ImageServiceOptions) {
    const { database, events, dataRoot, usage, log } = options;
    this.#database = database;
    this.#log = log;
    this.#table = new ImageTable(database);
    this.#layers = new LayerStore({
      database,
      dataRoot,
      log,
      bootId: options.bootId ?? currentBoot(),
      parallel: Math.max(2, availableParallelism()),
      limits: options.limits ?? defaultLimits,
    });
    this.#catalog = new Catalog(this.#table, this.#layers.table);
    this.#store = new ImageStore(database, this.#table, events, this.#catalog);
    this.#saver = new Saver(this.#catalog, this.#table, this.#layers);
    this.registry = new RegistryService({
      database,
      dataRoot,
      images: this.#table,
      layers: this.#layers,
      catalog: this.#catalog,
      store: this.#store,
      settings: options.registry?.settings ?? (() => defaultSettings),
      userAgent: options.registry?.userAgent ?? 'tsd',
      log,
    });
    this.#remover = new Remover({
      database,
      images: this.#table,
      catalog: this.#catalog,
      store: this.#store,
      layers: this.#layers,
      usage,
    });
  }

  get(reference: string): Image {
    return this.#catalog.view(this.#catalog.find(reference));
  }

  byId(id: string): Image | undefined {
    const row = this.#table.get(id);
    return row === undefined || row.removed ? undefined : this.#catalog.view(row);
  }

  list(request: { readonly filters?: Filters; readonly all?: boolean } = {}): readonly Image[] {
    return this.#catalog.list(request.filters ?? {}, request.all ?? true);
  }

  lowerDirectories(imageId: string): readonly string[] {
    const layers = this.#layers.table.ofImage(imageId);
    if (layers.length === 0 && this.#table.get(imageId) === undefined) throw notFound(`No such image: ${imageId}`);
    if (layers.length === 0) return [this.#layers.emptyDirectory()];
    return layers.map((layer) => this.#layers.directory(layer.chainId)).reverse();
  }

  tag(reference: string, repository: string, tag: string): void {
    const named = parseReference(repository);
    if (named.digest !== '') throw invalidArgument('refusing to create a tag with a digest reference');
    const target = withDefaultTag(tag === '' ? named : withTag(named, tag));
    if (target.domain === 'docker.io' && target.path === 'library/sha256') {
      throw invalidArgument('refusing to create an ambiguous tag using digest algorithm as name');
    }
    this.#store.tag(this.#catalog.find(reference), target);
  }

  remove(
    reference: string,
    options: { readonly force: boolean; readonly prune: boolean },
  ): Promise<readonly ImageRemoval[]> {
    return this.#remover.remove(reference, options);
  }

  prune(filters: Filters): Promise<{ readonly deleted: readonly ImageRemoval[]; readonly reclaimed: number }> {
    return this.#remover.prune(filters);
  }

  import(request: ImportRequest, progress: (line: Progress) => void): Promise<string> {
    return importImage(this.#layers, this.#store, request, progress);
  }

  commit(request: CommitRequest): Promise<string> {
    return commitImage(
      { layers: this.#layers, table: this.#table, store: this.#store, catalog: this.#catalog },
      request,
    );
  }

  load(
    body: Readable,
    options: { readonly quiet: boolean; readonly platform: string },
    progress: (line: Progress) => void,
  ): Promise<void> {
    return loadImages(this.#layers, this.#store, body, options, progress);
  }

  save(references: readonly string[], platform: string): Readable {
    return this.#saver.save(references, platform);
  }

  /** Layers that a power cut may have damaged go with their images; then what has no row. */
  async sweep(): Promise<void> {
    this.#database.transaction(() => {
      for (const layer of this.#layers.doubtful()) {
        for (const id of this.#layers.table.imagesOf(layer.chainId)) {
          this.#log.warn(
            { image: id, layer: layer.chainId },
            'the machine went down before this image was on the disk: it is removed, load it again',
          );
          this.#table.delete(id);
          this.#catalog.forget(id);
        }
      }
    });
    await this.#remover.collect();
    await this.#layers.sweep();
    await this.registry.sweep();
  }

  /** Directories without a layer, and layers without a directory. */
  leaks(): Promise<readonly Leak[]> {
    return this.#layers.leaks();
  }

  /** Resolves when all that was loaded is on the disk; for shutdown. */
  settled(): Promise<void> {
    return this.#layers.settled();
  }
}
