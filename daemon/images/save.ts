// Owns `docker save`: an archive that is docker-archive and OCI layout at once. Layers are built again from directory and split record,
// byte for byte; their digest is checked while they are written. Changes nothing.
import { Readable } from 'node:stream';
import { notFound } from '../base/errors.ts';
import { sha256 } from '../base/ids.ts';
import { parseRfc3339 } from '../base/timestamp.ts';
import type { ImageRow, ImageTable, LayerRow } from '../store/images.ts';
import { type Catalog, isIdPrefix } from './catalog.ts';
import type { LayerStore } from './layer-store.ts';
import { layerTar } from './layer-tar.ts';
import { fitness, parsePlatform, platformName, platformOf } from './platform.ts';
import {
  familiarName,
  parseReference,
  parseStored,
  type Reference,
  repositoryOf,
  shownName,
  storedName,
} from './reference.ts';
import { tarEnd, tarHeader, tarPadding } from './tar-writer.ts';

interface Saved {
  readonly row: ImageRow;
  readonly references: Reference[];
}

const blob = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

/** The images that the names stand for; a name without tag stands for all tags of its repository, an id for no tag. */
function select(catalog: Catalog, images: ImageTable, texts: readonly string[]): Saved[] {
  const selected = new Map<string, Saved>();
  const add = (row: ImageRow, references: readonly Reference[]) => {
    const entry = selected.get(row.id) ?? { row, references: [] };
    for (const reference of references) {
      if (!entry.references.some((other) => storedName(other) === storedName(reference))) {
        entry.references.push(reference);
      }
    }
    selected.set(row.id, entry);
  };
  for (const text of texts) {
    const tagged = taggedImages(images, text);
    if (tagged.length > 0) {
      for (const [id, reference] of tagged) {
        const row = images.get(id);
        if (row !== undefined) add(row, [reference]);
      }
      continue;
    }
    const row = catalog.find(text);
    add(row, isIdPrefix(row.id, text) ? [] : [parseReference(text)].filter((reference) => reference.tag !== ''));
  }
  return [...selected.values()];
}

function taggedImages(images: ImageTable, text: string): [string, Reference][] {
  if (/^[a-f0-9]{64}$/.test(text)) return [];
  const wanted = parseReference(text);
  if (wanted.tag !== '' || wanted.digest !== '') return [];
  return images
    .references()
    .map((entry): [string, Reference] => [entry.imageId, parseStored(entry.name)])
    .filter(([, reference]) => reference.digest === '' && repositoryOf(reference) === repositoryOf(wanted));
}

export class Saver {
  readonly #catalog: Catalog;
  readonly #images: ImageTable;
  readonly #layers: LayerStore;

  constructor(catalog: Catalog, images: ImageTable, layers: LayerStore) {
    this.#catalog = catalog;
    this.#images = images;
    this.#layers = layers;
  }

  /** Throws not-found and invalid-argument before the first byte. An error later destroys the stream. */
  save(texts: readonly string[], platform: string): Readable {
    const saved = select(this.#catalog, this.#images, texts);
    if (saved.length === 0) throw notFound(`No such image: ${shownName(texts[0] ?? '')}`);
    const wanted = parsePlatform(platform);
    for (const { row } of saved) {
      const found = platformOf(this.#catalog.configOf(row));
      if (wanted !== undefined && fitness(wanted, found) === 0) {
        throw notFound(
          `image with reference ${texts[0]} was found but does not provide the specified platform (${platformName(wanted)})`,
        );
      }
    }
    return Readable.from(this.#held(saved), { objectMode: false, highWaterMark: 256 * 1024 });
  }

  /** The layers stay until the last byte, even when the images are removed meanwhile. */
  async *#held(saved: readonly Saved[]): AsyncGenerator<Uint8Array> {
    const chainIds = saved.flatMap(({ row }) => this.#layers.table.ofImage(row.id).map((layer) => layer.chainId));
    const { promise, resolve } = Promise.withResolvers<void>();
    const released = this.#layers.holding(chainIds, () => promise);
    try {
      yield* this.#archive(saved);
    } finally {
      resolve();
      await released;
    }
  }

  async *#archive(saved: readonly Saved[]): AsyncGenerator<Uint8Array> {
    const written = new Set<string>();
    const index: object[] = [];
    const list: object[] = [];
    yield tarHeader('blobs/', 0, 0);
    yield tarHeader('blobs/sha256/', 0, 0);
    for (const { row, references } of saved) {
      const layers = this.#layers.table.ofImage(row.id);
      const created = this.#catalog.configOf(row).created;
      const mtime = Number((parseRfc3339(created) ?? 0n) / 1_000_000_000n);
      const manifest = manifestOf(row, layers);
      for (const layer of layers) {
        if (written.has(layer.diffId)) continue;
        written.add(layer.diffId);
        yield* this.#layer(layer);
      }
      for (const [digest, bytes] of [
        [row.id, row.config],
        [manifest.digest, manifest.bytes],
      ] as const) {
        if (written.has(digest)) continue;
        written.add(digest);
        yield* file(blob(digest), bytes, mtime);
      }
      list.push({
        Config: blob(row.id),
        RepoTags: references.length === 0 ? null : references.map(familiarName),
        Layers: layers.map((layer) => blob(layer.diffId)),
        LayerSources: Object.fromEntries(layers.map((layer) => [layer.diffId, layerDescriptor(layer)])),
      });
      index.push(...indexEntries(manifest, references));
    }
    yield* file('index.json', JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: index }), 0);
    yield* file('manifest.json', JSON.stringify(list), 0);
    yield* file('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }), 0);
    yield tarEnd();
  }

  async *#layer(layer: LayerRow): AsyncGenerator<Uint8Array> {
    yield tarHeader(blob(layer.diffId), layer.tarSize, 0);
    yield* layerTar(this.#layers, layer);
    yield tarPadding(layer.tarSize);
  }
}

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

interface Manifest {
  readonly bytes: Uint8Array;
  readonly digest: string;
}

const layerDescriptor = (layer: LayerRow): object => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar',
  size: layer.tarSize,
  digest: layer.diffId,
});

function manifestOf(row: ImageRow, layers: readonly LayerRow[]): Manifest {
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: row.id, size: row.config.length },
    layers: layers.map(layerDescriptor),
  });
  return { bytes: Buffer.from(text), digest: sha256(text) };
}

function indexEntries(manifest: Manifest, references: readonly Reference[]): object[] {
  const descriptor = { mediaType: MANIFEST, digest: manifest.digest, size: manifest.bytes.length };
  if (references.length === 0) return [descriptor];
  return references.map((reference) => ({
    ...descriptor,
    annotations: {
      'io.containerd.image.name': storedName(reference),
      'org.opencontainers.image.ref.name': reference.tag,
    },
  }));
}

function* file(name: string, data: string | Uint8Array, mtime: number): Generator<Uint8Array> {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  yield tarHeader(name, bytes.length, mtime);
  yield bytes;
  yield tarPadding(bytes.length);
}
