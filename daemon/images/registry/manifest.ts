// Owns the reading and making of manifests and indexes, OCI's and Docker's. Pure. What stands in them comes from strangers: every field
// that is used is checked. Sources: OCI image specification (manifest, image index), Docker's image manifest version 2, schema 2.
import { type EngineError, invalidArgument } from '../../base/errors.ts';
import { parseJsonObject } from '../image-config.ts';
import { fitness, type Platform, platformName, platformOf } from '../platform.ts';
import { isDigest } from '../reference.ts';
import {
  compressionOf,
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_MANIFEST,
  isConfigType,
  isIndexType,
  isManifestType,
  layerKind,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
  ociLayer,
} from './media-types.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface IndexEntry extends Descriptor {
  readonly platform: Platform | undefined;
  readonly attestation: boolean;
}

export type Document =
  | { readonly kind: 'index'; readonly mediaType: string; readonly entries: readonly IndexEntry[] }
  | {
      readonly kind: 'manifest';
      readonly mediaType: string;
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
    };

type Json = Readonly<Record<string, unknown>>;

/** Bytes of a manifest that is still read; registries have the same limit. */
export const MAX_MANIFEST = 4 * 1024 * 1024;
/** Layers of one image: overlay and Docker end at 127 or less, so 1000 is no restriction but against nonsense. */
const MAX_LAYERS = 1000;
const MAX_ENTRIES = 10_000;

const bad = (what: string): EngineError => invalidArgument(`invalid manifest: ${what}`);

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function descriptorOf(value: unknown, at: string): Descriptor {
  if (!isObject(value)) throw bad(`${at} must be an object`);
  const { mediaType, digest, size } = value;
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw bad(`${at}.digest must be a sha256 digest, received ${JSON.stringify(digest) ?? 'none'}`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw bad(`${at}.size must be a number of bytes`);
  }
  return { mediaType: typeof mediaType === 'string' ? mediaType : '', digest, size };
}

function listOf(document: Json, key: string, limit: number): readonly unknown[] {
  const value = document[key];
  if (!Array.isArray(value)) throw bad(`${key} must be a list`);
  if (value.length > limit) throw bad(`${key} has ${value.length} entries, more than ${limit}`);
  return value;
}

function entryOf(value: unknown, at: string): IndexEntry {
  const descriptor = descriptorOf(value, at);
  const { platform, annotations } = value as Json;
  const { os, architecture, variant } = isObject(platform) ? platform : ({} as Json);
  const known = typeof os === 'string' && typeof architecture === 'string';
  const type = isObject(annotations) ? annotations['vnd.docker.reference.type'] : undefined;
  return {
    ...descriptor,
    platform: known ? platformOf({ os, architecture, variant: typeof variant === 'string' ? variant : '' }) : undefined,
    attestation: type === 'attestation-manifest' || architecture === 'unknown',
  };
}

/** Parses what a registry answered with `contentType`. Throws invalid-argument that says what is not understood. */
export function parseDocument(bytes: Uint8Array, contentType: string): Document {
  const json = parseJsonObject(bytes, 'manifest');
  if (
    json.schemaVersion === 1 ||
    (/\.v1\+(?:json|prettyjws)$/.test(contentType.split(';')[0] ?? '') && contentType.includes('docker.distribution'))
  ) {
    throw bad('schema 1 is not supported: the image must be pushed again by a newer engine');
  }
  const stated = typeof json.mediaType === 'string' ? json.mediaType : '';
  const header = contentType.split(';')[0]?.trim() ?? '';
  const index = json.manifests !== undefined;
  const manifest = json.layers !== undefined || json.config !== undefined;
  // One that is both is an attack on whoever guesses.
  if (index && manifest) throw bad('it has manifests as well as config or layers');
  if (!index && !manifest) throw bad('it has neither manifests nor config and layers');
  const mediaType =
    stated || (isIndexType(header) || isManifestType(header) ? header : index ? OCI_INDEX : OCI_MANIFEST);
  if (!(index ? isIndexType(mediaType) : isManifestType(mediaType))) {
    throw bad(`unknown media type ${JSON.stringify(mediaType)}`);
  }
  if (index) {
    const entries = listOf(json, 'manifests', MAX_ENTRIES).map((value, at) => entryOf(value, `manifests[${at}]`));
    return { kind: 'index', mediaType, entries };
  }
  const config = descriptorOf(json.config, 'config');
  const layers = listOf(json, 'layers', MAX_LAYERS).map((value, at) => descriptorOf(value, `layers[${at}]`));
  return { kind: 'manifest', mediaType, config, layers };
}

/** Refuses a manifest that is no image that this engine can run, in words. */
export function checkImage(document: Extract<Document, { kind: 'manifest' }>): void {
  const { config, layers } = document;
  if (!isConfigType(config.mediaType)) {
    throw invalidArgument(
      `the manifest is no container image: its config has the media type ${JSON.stringify(config.mediaType)}, expected ${OCI_CONFIG} or ${DOCKER_CONFIG}`,
    );
  }
  for (const [position, layer] of layers.entries()) {
    const kind = layerKind(layer.mediaType);
    if (kind === 'layer') continue;
    const named = `layer ${position} (${layer.digest}) has the media type ${JSON.stringify(layer.mediaType)}`;
    throw invalidArgument(
      kind === 'foreign'
        ? `${named}: its content is not in the registry (a foreign layer), and this engine does not fetch it from elsewhere`
        : `${named}, which this engine does not understand`,
    );
  }
}

/** The entry that serves `wanted` best; undefined when none does. */
export function choosePlatform(entries: readonly IndexEntry[], wanted: Platform): IndexEntry | undefined {
  let best: IndexEntry | undefined;
  let rating = 0;
  for (const entry of entries) {
    if (entry.attestation || entry.platform === undefined) continue;
    const found = fitness(wanted, entry.platform);
    if (found > rating) [best, rating] = [entry, found];
  }
  // An index of one image need not name its platform: its config does.
  const images = entries.filter((entry) => !entry.attestation);
  return best ?? (images.length === 1 && images[0]?.platform === undefined ? images[0] : undefined);
}

export const noPlatform = (wanted: Platform): string =>
  `no matching manifest for ${platformName(wanted)} in the manifest list entries`;

export interface NewManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** A manifest of blobs that a registry holds: Docker's, as long as its types can name each layer's compression. */
export function makeManifest(config: { digest: string; size: number }, layers: readonly Descriptor[]): NewManifest {
  const docker = layers.every((layer) => compressionOf(layer.mediaType) === 'gzip');
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const document = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: docker ? DOCKER_CONFIG : OCI_CONFIG, size: config.size, digest: config.digest },
    layers: layers.map((layer) => ({
      mediaType: docker ? DOCKER_LAYER_GZIP : ociLayer(compressionOf(layer.mediaType)),
      size: layer.size,
      digest: layer.digest,
    })),
  };
  // The form that Docker writes: its digests can be compared.
  return { bytes: Buffer.from(JSON.stringify(document, undefined, 3)), mediaType };
}
