// Owns the reading of the headers in which clients send credentials for registries. Knows no registry. Values are never logged.
import type { IncomingHttpHeaders } from 'node:http';
import { invalidArgument } from '../base/errors.ts';
import { type Credentials, noCredentials } from '../images/registry/types.ts';

type Json = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Credentials of Docker's AuthConfig object; `auth` is user and password in base64. */
export function credentialsOf(value: Json): Credentials {
  let username = textOf(value.username);
  let password = textOf(value.password);
  const auth = textOf(value.auth);
  if (auth !== '' && username === '') {
    const pair = Buffer.from(auth, 'base64').toString('utf8');
    const colon = pair.indexOf(':');
    username = colon < 0 ? pair : pair.slice(0, colon);
    password = colon < 0 ? '' : pair.slice(colon + 1);
  }
  return {
    username,
    password,
    identityToken: textOf(value.identitytoken),
    registryToken: textOf(value.registrytoken),
    serverAddress: textOf(value.serveraddress),
  };
}

function decode(header: string, name: string): Json {
  try {
    // Clients send either alphabet of base64; Node reads both.
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch {
    // Said below.
  }
  throw invalidArgument(`invalid ${name} header: expected the base64url text of a JSON object`);
}

const headerOf = (headers: IncomingHttpHeaders, name: string): string => {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
};

/** X-Registry-Auth of a pull: without one, or with one that cannot be read, nobody in particular, as dockerd has it. */
export function pullCredentials(headers: IncomingHttpHeaders): Credentials {
  const header = headerOf(headers, 'x-registry-auth');
  if (header === '') return noCredentials;
  try {
    return credentialsOf(decode(header, 'X-Registry-Auth'));
  } catch {
    return noCredentials;
  }
}

/** X-Registry-Auth of a push, which must be there. Throws invalid-argument in Docker's words. */
export function pushCredentials(headers: IncomingHttpHeaders): Credentials {
  const header = headerOf(headers, 'x-registry-auth');
  if (header === '') {
    throw invalidArgument('bad parameters and missing X-Registry-Auth: invalid X-Registry-Auth header: EOF');
  }
  return credentialsOf(decode(header, 'X-Registry-Auth'));
}

/** X-Registry-Config of a build: credentials by the address that the client keeps them under. What cannot be read counts as none. */
export function buildCredentials(headers: IncomingHttpHeaders): ReadonlyMap<string, Credentials> {
  const header = headerOf(headers, 'x-registry-config');
  if (header === '') return new Map();
  try {
    const entries = Object.entries(decode(header, 'X-Registry-Config'));
    return new Map(entries.map(([registry, value]) => [registry, credentialsOf((value ?? {}) as Json)]));
  } catch {
    return new Map();
  }
}
