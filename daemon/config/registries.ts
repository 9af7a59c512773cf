// Owns the reading of `registries` in daemon.json: mirrors and trust for any registry. Pure. `*` stands for every registry without an entry.
import { invalidArgument } from '../base/errors.ts';
import type { JsonValue } from './values.ts';

export type MirrorCapability = 'pull' | 'resolve';

export interface MirrorSettings {
  readonly url: string;
  readonly capabilities: readonly MirrorCapability[];
}

/** One registry; the registry room says what its keys do. */
export interface RegistryHostSettings {
  readonly mirrors: readonly MirrorSettings[];
  readonly insecure: boolean;
  readonly ca: string;
}

const capabilities: readonly MirrorCapability[] = ['pull', 'resolve'];

type Json = Readonly<Record<string, JsonValue>>;

const isObject = (value: JsonValue | undefined): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refuseUnknown(value: Json, known: readonly string[], at: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw invalidArgument(`${at}: unknown key "${unknown}": expected ${known.join(', ')}`);
}

function urlOf(value: JsonValue | undefined, at: string): string {
  if (typeof value === 'string' && /^https?:\/\/[^/?#@]+(?:\/[^?#]*)?$/.test(value)) return value;
  throw invalidArgument(`${at}: expected a URL such as https://mirror.example, received ${JSON.stringify(value)}`);
}

function mirrorOf(value: JsonValue, at: string): MirrorSettings {
  if (typeof value === 'string') return { url: urlOf(value, at), capabilities };
  if (!isObject(value)) throw invalidArgument(`${at}: expected a URL or an object with url and capabilities`);
  refuseUnknown(value, ['url', 'capabilities'], at);
  const given = value.capabilities ?? capabilities;
  const wrong = `${at}.capabilities: expected a list of ${capabilities.join(' and ')}`;
  if (!Array.isArray(given)) throw invalidArgument(wrong);
  for (const one of given as readonly JsonValue[]) {
    if (!capabilities.some((capability) => capability === one)) throw invalidArgument(wrong);
  }
  return { url: urlOf(value.url, `${at}.url`), capabilities: given as readonly MirrorCapability[] };
}

/** Throws invalid-argument that names the key and what was expected. */
export function registries(value: JsonValue): Readonly<Record<string, RegistryHostSettings>> {
  if (!isObject(value)) throw invalidArgument('registries: expected an object of registries by their host');
  const result: Record<string, RegistryHostSettings> = {};
  for (const [host, settings] of Object.entries(value)) {
    const at = `registries.${host}`;
    if (host !== '*' && !/^(?:[A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?::\d+)?$/.test(host)) {
      throw invalidArgument(`${at}: expected a registry's host such as registry.example:5000, or *`);
    }
    if (!isObject(settings)) throw invalidArgument(`${at}: expected an object with mirrors, insecure, ca`);
    refuseUnknown(settings, ['mirrors', 'insecure', 'ca'], at);
    const { mirrors = [], insecure = false, ca = '' } = settings;
    if (!Array.isArray(mirrors)) throw invalidArgument(`${at}.mirrors: expected a list`);
    if (typeof insecure !== 'boolean') throw invalidArgument(`${at}.insecure: expected true or false`);
    if (typeof ca !== 'string') throw invalidArgument(`${at}.ca: expected the path of a PEM file`);
    const list = (mirrors as readonly JsonValue[]).map((one, index) => mirrorOf(one, `${at}.mirrors[${index}]`));
    result[host] = { mirrors: list, insecure, ca };
  }
  return result;
}
