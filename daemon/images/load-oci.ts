// Owns the reading of an OCI image layout: index.json, nested indexes, choice of platform, manifests. Every blob that it reads has its
// digest and size verified; layers are verified where they are unpacked. Source: OCI image layout, index and manifest specifications.
import { invalidArgument } from '../base/errors.ts';
import { parseJsonObject } from './image-config.ts';
import type { ArchivedImage } from './load.ts';
import { blobName, type LoadArchive } from './load-archive.ts';
import { fitness, hostPlatform, type Platform, platformName, platformOf } from './platform.ts';
import { isDigest, parseReference, type Reference } from './reference.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

const MAX_NESTING = 8;
const indexTypes = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const manifestTypes = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
const configTypes = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);
const layerType =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.(?:gzip|zstd))?)$/;

type Json = Readonly<Record<string, unknown>>;

function descriptorOf(value: unknown, at: string): Descriptor {
  const { mediaType, digest, size, annotations, platform } = (value ?? {}) as Json;
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw invalidArgument(`invalid archive: ${at}.digest must be a sha256 digest`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalidArgument(`invalid archive: ${at}.size must be a number of bytes`);
  }
  const notes = Object.entries((annotations ?? {}) as Json).filter(([, note]) => typeof note === 'string');
  const { os, architecture, variant } = (platform ?? {}) as Json;
  const known = typeof os === 'string' && typeof architecture === 'string';
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest,
    size,
    annotations: Object.fromEntries(notes) as Record<string, string>,
    platform: known ? platformOf({ os, architecture, variant: typeof variant === 'string' ? variant : '' }) : undefined,
  };
}

function list(document: Json, key: string, at: string): readonly unknown[] {
  const value = document[key];
  if (!Array.isArray(value)) throw invalidArgument(`invalid archive: ${at}.${key} must be a list`);
  return value;
}

/** Indexes and manifests look alike; one that is both is an attack on whoever guesses. */
function checkKind(document: Json, at: string): 'index' | 'manifest' {
  const index = document.manifests !== undefined;
  const manifest = document.layers !== undefined || document.config !== undefined;
  if (index === manifest)
    throw invalidArgument(`invalid archive: ${at} must have either manifests or config and layers`);
  return index ? 'index' : 'manifest';
}

/** `io.containerd.image.name` is a whole name; `ref.name` may be one, or only a tag, which names nothing without its repository. */
function namesOf(descriptor: Descriptor): Reference[] {
  const whole = descriptor.annotations['io.containerd.image.name'];
  if (whole !== undefined) return [{ ...parseReference(whole), digest: '' }];
  const name = descriptor.annotations['org.opencontainers.image.ref.name'];
  if (name === undefined || !/[:/]/.test(name)) return [];
  try {
    return [{ ...parseReference(name), digest: '' }];
  } catch {
    return [];
  }
}

const isAttestation = (descriptor: Descriptor): boolean =>
  descriptor.annotations['vnd.docker.reference.type'] === 'attestation-manifest' ||
  descriptor.platform?.architecture === 'unknown';

class Layout {
  readonly #archive: LoadArchive;
  readonly #wanted: Platform | undefined;

  constructor(archive: LoadArchive, wanted: Platform | undefined) {
    this.#archive = archive;
    this.#wanted = wanted;
  }

  images(): ArchivedImage[] {
    const index = parseJsonObject(this.#archive.read('index.json'), 'index.json');
    const found = new Map<string, { descriptor: Descriptor; references: Reference[] }>();
    for (const [position, value] of list(index, 'manifests', 'index.json').entries()) {
      const top = descriptorOf(value, `index.json manifests[${position}]`);
      if (isAttestation(top)) continue;
      const chosen = this.#choose(top, 0);
      const entry = found.get(chosen.digest) ?? { descriptor: chosen, references: [] };
      entry.references.push(...namesOf(top));
      found.set(chosen.digest, entry);
    }
    return [...found.values()].map((entry) => this.#image(entry.descriptor, entry.references));
  }

  /** Follows indexes down to the manifest that serves the wanted platform best. */
  #choose(descriptor: Descriptor, depth: number): Descriptor {
    if (!this.#isIndex(descriptor)) return descriptor;
    if (depth >= MAX_NESTING) throw invalidArgument('invalid archive: indexes are nested too deeply');
    const document = parseJsonObject(this.#archive.blob(descriptor), `index ${descriptor.digest}`);
    const candidates = list(document, 'manifests', descriptor.digest)
      .map((value, position) => descriptorOf(value, `${descriptor.digest} manifests[${position}]`))
      // A partial export names manifests of other platforms that it does not hold.
      .filter((candidate) => !isAttestation(candidate) && this.#archive.has(blobName(candidate.digest)));
    const wanted = this.#wanted ?? hostPlatform();
    const rated = candidates
      .map((candidate) => ({
        candidate,
        rating: candidate.platform === undefined ? 1 : fitness(wanted, candidate.platform),
      }))
      .filter((entry) => entry.rating > 0)
      .sort((a, b) => b.rating - a.rating);
    const [only] = candidates;
    const best = rated[0]?.candidate ?? (candidates.length === 1 && this.#wanted === undefined ? only : undefined);
    if (best === undefined) {
      throw invalidArgument(
        `invalid archive: no image for platform ${platformName(wanted)} in index ${descriptor.digest}`,
      );
    }
    return this.#choose(best, depth + 1);
  }

  #isIndex(descriptor: Descriptor): boolean {
    if (indexTypes.has(descriptor.mediaType)) return true;
    if (manifestTypes.has(descriptor.mediaType)) return false;
    if (descriptor.mediaType !== '') {
      throw invalidArgument(`invalid archive: unknown media type ${JSON.stringify(descriptor.mediaType)}`);
    }
    return checkKind(parseJsonObject(this.#archive.blob(descriptor), descriptor.digest), descriptor.digest) === 'index';
  }

  #image(descriptor: Descriptor, references: readonly Reference[]): ArchivedImage {
    const at = `manifest ${descriptor.digest}`;
    const manifest = parseJsonObject(this.#archive.blob(descriptor), at);
    if (checkKind(manifest, at) !== 'manifest') throw invalidArgument(`invalid archive: ${at} is an index`);
    const config = descriptorOf(manifest.config, `${at}.config`);
    if (!configTypes.has(config.mediaType)) {
      throw invalidArgument(
        `invalid archive: ${at} is no image: config media type ${JSON.stringify(config.mediaType)}`,
      );
    }
    const layers = list(manifest, 'layers', at).map((value, position) => {
      const layer = descriptorOf(value, `${at}.layers[${position}]`);
      if (!layerType.test(layer.mediaType)) {
        throw invalidArgument(
          `invalid archive: unknown media type ${JSON.stringify(layer.mediaType)} of layer ${position}`,
        );
      }
      const source = this.#archive.source(blobName(layer.digest));
      if (source.length !== layer.size) {
        throw invalidArgument(`blob ${layer.digest} has ${source.length} bytes, expected ${layer.size}`);
      }
      return { source, digest: layer.digest };
    });
    return { config: this.#archive.blob(config), references, layers, parent: '' };
  }
}

export function readOciLayout(archive: LoadArchive, platform: Platform | undefined): ArchivedImage[] {
  return new Layout(archive, platform).images();
}
