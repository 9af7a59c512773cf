// Owns the reading of docker-archive: manifest.json, a list of {Config, RepoTags, Layers, Parent}. Checks its shape, unpacks nothing.
import { invalidArgument } from '../base/errors.ts';
import type { ArchivedImage } from './load.ts';
import type { LoadArchive } from './load-archive.ts';
import { isDigest, parseReference, type Reference } from './reference.ts';

interface Item {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
  readonly Parent: string;
}

function parseManifest(bytes: Uint8Array): Item[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw invalidArgument('invalid archive: manifest.json is not JSON', error);
  }
  if (!Array.isArray(value)) throw invalidArgument('invalid archive: manifest.json must be a list of images');
  return value.map((item: unknown, index) => {
    const { Config, RepoTags, Layers, Parent } = (item ?? {}) as Readonly<Record<string, unknown>>;
    const at = `manifest.json[${index}]`;
    if (typeof Config !== 'string') throw invalidArgument(`invalid archive: ${at}.Config must be a string`);
    return {
      Config,
      RepoTags: strings(RepoTags, `${at}.RepoTags`),
      Layers: strings(Layers, `${at}.Layers`),
      Parent: typeof Parent === 'string' && isDigest(Parent) ? Parent : '',
    };
  });
}

function strings(value: unknown, at: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw invalidArgument(`invalid archive: ${at} must be a list of strings`);
  }
  return value as string[];
}

function tagOf(text: string): Reference {
  const reference = parseReference(text);
  if (reference.tag === '') throw invalidArgument(`invalid tag ${JSON.stringify(text)}`);
  return { ...reference, digest: '' };
}

export function readDockerArchive(archive: LoadArchive): ArchivedImage[] {
  return parseManifest(archive.read('manifest.json')).map((item) => ({
    config: archive.read(item.Config),
    references: item.RepoTags.map(tagOf),
    layers: item.Layers.map((name) => ({ source: archive.source(name) })),
    parent: item.Parent,
  }));
}
