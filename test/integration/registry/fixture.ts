// Owns what the tests of registries share: an image of several layers, and a plain way to ask a registry.
import { randomBytes } from 'node:crypto';
import type { TestDaemon } from '../../helpers/daemon.ts';
import { busyboxTar, type ImageParts, makeDockerArchive } from '../../helpers/image.ts';
import type { TestRegistry } from '../../helpers/registry.ts';
import { makeTar } from '../../helpers/tar.ts';

export const MANIFESTS =
  'application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, ' +
  'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';

/** Busybox and layers of random bytes, each one `file<N>`. */
export const layered = (tags: readonly string[], sizes: readonly number[] = [200_000, 300_000]): ImageParts => ({
  layers: [busyboxTar(), ...sizes.map((size, index) => makeTar([{ path: `file${index}`, data: randomBytes(size) }]))],
  tags,
  config: { Cmd: ['sh'], Labels: { origin: 'registry' } },
});

export async function load(daemon: TestDaemon, image: ImageParts): Promise<void> {
  await daemon.dockerOk(['load', '--quiet'], { input: makeDockerArchive(image) });
}

export interface Head {
  readonly digest: string;
  readonly mediaType: string;
  readonly document: { readonly layers?: readonly { readonly digest: string; readonly mediaType: string }[] };
}

/** The manifest that a tag of a plain open registry means. */
export async function manifestOf(registry: TestRegistry, repository: string, tag: string): Promise<Head> {
  const answer = await fetch(`${registry.url}/v2/${repository}/manifests/${tag}`, { headers: { accept: MANIFESTS } });
  if (answer.status !== 200) throw new Error(`manifest ${repository}:${tag}: ${answer.status}`);
  return {
    digest: answer.headers.get('docker-content-digest') ?? '',
    mediaType: answer.headers.get('content-type') ?? '',
    document: (await answer.json()) as Head['document'],
  };
}

export const linesOf = (body: Buffer): readonly Readonly<Record<string, unknown>>[] =>
  body
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
