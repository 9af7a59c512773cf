// Owns the media types of OCI and Docker that this engine understands. Pure.

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const DOCKER_LAYER_GZIP = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

const indexTypes = new Set([OCI_INDEX, DOCKER_LIST]);
const manifestTypes = new Set([OCI_MANIFEST, DOCKER_MANIFEST]);

export const isIndexType = (type: string): boolean => indexTypes.has(type);
export const isManifestType = (type: string): boolean => manifestTypes.has(type);
export const isConfigType = (type: string): boolean => type === OCI_CONFIG || type === DOCKER_CONFIG;

/** What a pull asks for; everything else that a registry answers is refused in words. */
export const acceptedManifests = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST].join(', ');

const layer =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.diff\.tar(?:\.(?:gzip|zstd))?)$/;
const foreign =
  /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.foreign\.diff\.tar(?:\.(?:gzip|zstd))?)$/;

export type LayerKind = 'layer' | 'foreign' | 'unknown';

export function layerKind(type: string): LayerKind {
  if (layer.test(type)) return 'layer';
  return foreign.test(type) ? 'foreign' : 'unknown';
}

export type Compression = 'none' | 'gzip' | 'zstd';

export const compressionOf = (type: string): Compression =>
  /gzip$/.test(type) ? 'gzip' : /zstd$/.test(type) ? 'zstd' : 'none';

const suffix: Readonly<Record<Compression, string>> = { none: '', gzip: '+gzip', zstd: '+zstd' };

/** OCI's type of a layer in this compression. */
export const ociLayer = (compression: Compression): string =>
  `application/vnd.oci.image.layer.v1.tar${suffix[compression]}`;
