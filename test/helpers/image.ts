// Owns the making of images without a registry: a busybox root file system from the host's static busybox, and the two
// archive forms that `docker load` reads. The bytes are the same on each call, so digests can be compared.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { fixedTime, makeTar, type TarEntry } from './tar.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** The part of an OCI image configuration that a test sets; the rest is filled in. */
export interface ImageConfig {
  readonly Cmd?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
}

export interface ImageParts {
  /** Uncompressed layer archives, the lowest first. */
  readonly layers: readonly Buffer[];
  readonly config?: ImageConfig;
  /** "busybox:latest"; several name the same image. */
  readonly tags?: readonly string[];
  /** Docker's names of architectures; this machine's when absent. */
  readonly architecture?: string;
}

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  riscv64: 'riscv64',
  ppc64: 'ppc64le',
  s390x: 's390x',
};
const hostArchitecture = architectures[process.arch] ?? process.arch;

export const digest = (data: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(data).digest('hex')}`;
const hex = (value: string): string => value.slice('sha256:'.length);

export const compress = (data: Buffer, compression: Compression): Buffer => {
  if (compression === 'gzip') return gzipSync(data, { level: 1 });
  if (compression === 'zstd') return zstdCompressSync(data);
  return data;
};

/** Entries of a small root file system around the host's static busybox: every applet where busybox itself installs it. */
export const busyboxEntries = (busybox = '/bin/busybox'): TarEntry[] => {
  const binary = readFileSync(busybox);
  const applets = execFileSync(busybox, ['--list-full'], { encoding: 'utf8' })
    .split('\n')
    .filter((path) => path !== '' && path !== 'bin/busybox' && path !== 'linuxrc');
  const directories: [string, number][] = [
    ['bin', 0o755],
    ['dev', 0o755],
    ['etc', 0o755],
    ['home', 0o755],
    ['lib', 0o755],
    ['proc', 0o555],
    ['root', 0o700],
    ['run', 0o755],
    ['sbin', 0o755],
    ['sys', 0o555],
    ['tmp', 0o1777],
    ['usr', 0o755],
    ['usr/bin', 0o755],
    ['usr/sbin', 0o755],
    ['var', 0o755],
    ['var/spool', 0o755],
    ['var/www', 0o755],
  ];
  const files: Readonly<Record<string, string>> = {
    'etc/passwd':
      'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\n' +
      'www-data:x:33:33:www-data:/var/www:/bin/false\noperator:x:37:37:Operator:/var:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
    'etc/group':
      'root:x:0:\ndaemon:x:1:\nbin:x:2:\nadm:x:4:\ntty:x:5:\nwheel:x:10:root\nwww-data:x:33:\noperator:x:37:\nusers:x:100:\nnobody:x:65534:\n',
    'etc/nsswitch.conf': 'hosts: files dns\n',
  };
  return [
    ...directories.map(([path, mode]): TarEntry => ({ path, type: 'directory', mode })),
    { path: 'bin/busybox', data: binary, mode: 0o755 },
    ...applets.map((path): TarEntry => ({ path, type: 'hardlink', linkTarget: 'bin/busybox', mode: 0o755 })),
    ...Object.entries(files).map(([path, data]): TarEntry => ({ path, data })),
    { path: 'etc/shadow', data: 'root:*:::::::\nnobody:*:::::::\n', mode: 0o600 },
  ];
};

/** The root file system as one plain tar: a layer, or the standard input of `docker import -`. */
export const busyboxTar = (extra: readonly TarEntry[] = []): Buffer => makeTar([...busyboxEntries(), ...extra]);

const imageConfig = (parts: ImageParts): string => {
  const created = new Date(fixedTime * 1000).toISOString();
  return JSON.stringify({
    architecture: parts.architecture ?? hostArchitecture,
    config: parts.config ?? { Cmd: ['sh'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
    created,
    history: parts.layers.map((_, index) => ({ created, created_by: `layer ${index + 1}` })),
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: parts.layers.map((layer) => digest(layer)) },
  });
};

/** The image id that both archive forms give: the digest of the configuration. */
export const imageId = (parts: ImageParts): string => digest(imageConfig(parts));

/** The archive form of `docker save` before engine 25: manifest.json, one configuration, one directory a layer. */
export const makeDockerArchive = (parts: ImageParts, compression: Compression = 'none'): Buffer => {
  const config = imageConfig(parts);
  const configName = `${hex(digest(config))}.json`;
  const names = parts.layers.map((layer) => `${hex(digest(layer))}/layer.tar`);
  const manifest = [{ Config: configName, RepoTags: parts.tags ?? [], Layers: names }];
  const entries: TarEntry[] = [];
  for (const [index, layer] of parts.layers.entries()) {
    const name = names[index] ?? '';
    if (names.indexOf(name) !== index) continue;
    entries.push({ path: name.slice(0, name.indexOf('/')), type: 'directory' }, { path: name, data: layer });
  }
  entries.push({ path: configName, data: config }, { path: 'manifest.json', data: JSON.stringify(manifest) });
  return compress(makeTar(entries), compression);
};

const layerMediaTypes = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

/** An OCI image layout (oci-layout, index.json, blobs/) as one tar, the layers compressed as said, the whole as said too. */
export const makeOciLayout = (parts: ImageParts, layers: Compression = 'gzip', whole: Compression = 'none'): Buffer => {
  const blobs = new Map<string, Buffer>();
  const add = (data: Buffer, mediaType: string) => {
    const name = digest(data);
    blobs.set(name, data);
    return { mediaType, digest: name, size: data.length };
  };
  const config = add(Buffer.from(imageConfig(parts)), 'application/vnd.oci.image.config.v1+json');
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = add(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        config,
        layers: parts.layers.map((layer) => add(compress(layer, layers), layerMediaTypes[layers])),
      }),
    ),
    manifestType,
  );
  // containerd's annotation holds the whole name, the standard one the tag alone.
  const named = (parts.tags ?? []).map((tag) => ({
    ...manifest,
    annotations: {
      'io.containerd.image.name': fullName(tag),
      'org.opencontainers.image.ref.name': tag.slice(tag.lastIndexOf(':') + 1),
    },
  }));
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: named.length > 0 ? named : [manifest],
  };
  const entries: TarEntry[] = [
    { path: 'blobs', type: 'directory' },
    { path: 'blobs/sha256', type: 'directory' },
    ...[...blobs].map(([name, data]): TarEntry => ({ path: `blobs/sha256/${hex(name)}`, data })),
    { path: 'index.json', data: JSON.stringify(index) },
    { path: 'oci-layout', data: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
  ];
  return compress(makeTar(entries), whole);
};

const fullName = (tag: string): string => {
  const first = tag.split('/')[0] ?? '';
  if (!tag.includes('/')) return `docker.io/library/${tag}`;
  return /[.:]|^localhost$/.test(first) ? tag : `docker.io/${tag}`;
};

/** What most tests load: one layer, `sh` as command. */
export const busyboxImage = (tags: readonly string[] = ['busybox:latest']): ImageParts => ({
  layers: [busyboxTar()],
  tags,
});
