// Owns the grammar of image names and Docker's normalisation of them. Pure; knows no store and no registry.
// Grammar: the OCI distribution specification and the documented rules of `docker tag`.
import { invalidArgument } from '../base/errors.ts';

export interface Reference {
  /** `docker.io`, `localhost:5000`, … */
  readonly domain: string;
  /** `library/busybox`. */
  readonly path: string;
  readonly tag: string;
  /** `sha256:…`; empty when there is none. */
  readonly digest: string;
}

const DEFAULT_DOMAIN = 'docker.io';
const OFFICIAL = 'library/';

const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const domainPattern = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const namePattern = new RegExp(`^(${domainPattern})/(${component}(?:/${component})*)$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const MAX_NAME = 255;

/** A digest that this engine can check. */
export const isDigest = (text: string): boolean => /^sha256:[0-9a-f]{64}$/.test(text);

function splitDomain(name: string): { domain: string; rest: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let domain = isDomain ? first : DEFAULT_DOMAIN;
  let rest = isDomain ? name.slice(slash + 1) : name;
  if (domain === 'index.docker.io') domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !rest.includes('/')) rest = OFFICIAL + rest;
  return { domain, rest };
}

/**
 * Reads `name`, `name:tag`, `name@digest` or `name:tag@digest` as people write it. Throws invalid-argument in Docker's words
 * (`invalid reference format`, `… repository name (library/X) must be lowercase`).
 */
export function parseReference(text: string): Reference {
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw invalidArgument(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, rest } = splitDomain(text);
  const at = rest.indexOf('@');
  const digest = at < 0 ? '' : rest.slice(at + 1);
  const named = at < 0 ? rest : rest.slice(0, at);
  const colon = named.indexOf(':');
  const path = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? '' : named.slice(colon + 1);
  if (path.toLowerCase() !== path) {
    throw invalidArgument(`invalid reference format: repository name (${path}) must be lowercase`);
  }
  const tagGood = colon < 0 || tagPattern.test(tag);
  const digestGood = at < 0 || digestPattern.test(digest);
  if (!tagGood || !digestGood || !namePattern.test(`${domain}/${path}`)) {
    throw invalidArgument('invalid reference format');
  }
  if (digest !== '' && !isDigest(digest)) {
    throw invalidArgument(
      digest.startsWith('sha256:') ? 'invalid checksum digest length' : 'unsupported digest algorithm',
    );
  }
  if (path.length > MAX_NAME) {
    throw invalidArgument('invalid reference format: repository name must not be more than 255 characters');
  }
  return { domain, path, tag, digest };
}

/** With `latest` when there is neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === '' && reference.digest === '' ? { ...reference, tag: 'latest' } : reference;
}

/** Throws invalid-argument `invalid tag format`. */
export function withTag(reference: Reference, tag: string): Reference {
  if (!tagPattern.test(tag)) throw invalidArgument('invalid tag format');
  return { ...reference, tag };
}

/** Domain and path: what all tags of one repository share. */
export const repositoryOf = (reference: Reference): string => `${reference.domain}/${reference.path}`;

/** Complete text: `docker.io/library/busybox:latest`. */
export function fullName(reference: Reference): string {
  const tag = reference.tag === '' ? '' : `:${reference.tag}`;
  const digest = reference.digest === '' ? '' : `@${reference.digest}`;
  return `${repositoryOf(reference)}${tag}${digest}`;
}

/** The name under which it is stored: a digest wins over a tag, `latest` is filled in. */
export function storedName(reference: Reference): string {
  return fullName(reference.digest === '' ? withDefaultTag(reference) : { ...reference, tag: '' });
}

/** Repository as people write it: `busybox`, `someone/thing`, `localhost:5000/thing`. */
export function familiarRepository(reference: Reference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return repositoryOf(reference);
  const official = reference.path.startsWith(OFFICIAL) && !reference.path.slice(OFFICIAL.length).includes('/');
  return official ? reference.path.slice(OFFICIAL.length) : reference.path;
}

/** As people write it. */
export function familiarName(reference: Reference): string {
  const tag = reference.tag === '' ? '' : `:${reference.tag}`;
  const digest = reference.digest === '' ? '' : `@${reference.digest}`;
  return `${familiarRepository(reference)}${tag}${digest}`;
}

/** What `No such image:` shows for what the client gave. */
export function shownName(text: string): string {
  if (/^[a-f0-9]{64}$/.test(text)) return `sha256:${text}`;
  if (isDigest(text)) return text;
  return familiarName(withDefaultTag(parseReference(text)));
}

/** Reads a stored name back. */
export const parseStored = (name: string): Reference => parseReference(name);
