// Owns the reading and making of an image's config JSON (OCI image configuration, Docker's image v1.2). Pure.
// What stands in it comes from strangers: every field is checked for its type, none is acted on.
import type { ContainerConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { sha256 } from '../base/ids.ts';

export interface HistoryEntry {
  readonly created: string;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

export interface ImageConfigFile {
  readonly config: ContainerConfig;
  readonly architecture: string;
  readonly variant: string;
  readonly os: string;
  readonly author: string;
  readonly comment: string;
  readonly created: string;
  readonly diffIds: readonly string[];
  readonly history: readonly HistoryEntry[];
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bad = (field: string, expected: string): Error =>
  invalidArgument(`invalid image config: ${field} must be ${expected}`);

function text(object: Json, key: string, path = key): string {
  const value = object[key];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw bad(path, 'a string');
  return value;
}

function texts(object: Json, key: string, path: string): string[] | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) throw bad(path, 'a list of strings');
  return value as string[];
}

function textMap(object: Json, key: string, path: string): Record<string, string> | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (!isObject(value) || Object.values(value).some((item) => typeof item !== 'string')) {
    throw bad(path, 'an object of strings');
  }
  return value as Record<string, string>;
}

function set(object: Json, key: string, path: string): Record<string, Record<string, never>> | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw bad(path, 'an object');
  return Object.fromEntries(Object.keys(value).map((name) => [name, {}]));
}

function flag(object: Json, key: string, path: string): boolean | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw bad(path, 'true or false');
  return value;
}

function integer(object: Json, key: string, path: string): number | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw bad(path, 'an integer');
  return value;
}

function healthcheck(config: Json): ContainerConfig['Healthcheck'] {
  const value = config.Healthcheck;
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw bad('config.Healthcheck', 'an object');
  const path = (key: string) => `config.Healthcheck.${key}`;
  return defined({
    Test: texts(value, 'Test', path('Test')),
    Interval: integer(value, 'Interval', path('Interval')),
    Timeout: integer(value, 'Timeout', path('Timeout')),
    StartPeriod: integer(value, 'StartPeriod', path('StartPeriod')),
    StartInterval: integer(value, 'StartInterval', path('StartInterval')),
    Retries: integer(value, 'Retries', path('Retries')),
  });
}

/** Without the keys whose value is undefined. */
function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

function containerConfig(config: Json): ContainerConfig {
  const path = (key: string) => `config.${key}`;
  const optional = (key: string) => (config[key] === undefined ? undefined : text(config, key, path(key)));
  return defined({
    User: optional('User'),
    ExposedPorts: set(config, 'ExposedPorts', path('ExposedPorts')),
    Env: texts(config, 'Env', path('Env')),
    Cmd: texts(config, 'Cmd', path('Cmd')),
    Healthcheck: healthcheck(config),
    ArgsEscaped: flag(config, 'ArgsEscaped', path('ArgsEscaped')),
    Volumes: set(config, 'Volumes', path('Volumes')),
    WorkingDir: optional('WorkingDir'),
    Entrypoint: texts(config, 'Entrypoint', path('Entrypoint')),
    OnBuild: texts(config, 'OnBuild', path('OnBuild')),
    Labels: textMap(config, 'Labels', path('Labels')),
    StopSignal: optional('StopSignal'),
    StopTimeout: integer(config, 'StopTimeout', path('StopTimeout')),
    Shell: texts(config, 'Shell', path('Shell')),
  });
}

function historyEntry(value: unknown, index: number): HistoryEntry {
  if (!isObject(value)) throw bad(`history[${index}]`, 'an object');
  const path = (key: string) => `history[${index}].${key}`;
  return {
    created: text(value, 'created', path('created')),
    createdBy: text(value, 'created_by', path('created_by')),
    author: text(value, 'author', path('author')),
    comment: text(value, 'comment', path('comment')),
    emptyLayer: flag(value, 'empty_layer', path('empty_layer')) ?? false,
  };
}

/** Parses JSON that must be an object; `what` names it in the error. */
export function parseJsonObject(bytes: Uint8Array, what: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalidArgument(`invalid ${what}: not JSON`, error);
  }
  if (!isObject(value)) throw invalidArgument(`invalid ${what}: expected an object`);
  return value;
}

/** Throws invalid-argument with the field and what was expected. */
export function parseImageConfig(bytes: Uint8Array): ImageConfigFile {
  const file = parseJsonObject(bytes, 'image config');
  const rootfs = file.rootfs;
  if (!isObject(rootfs)) throw invalidArgument('invalid image JSON, no RootFS key');
  const diffIds = texts(rootfs, 'diff_ids', 'rootfs.diff_ids') ?? [];
  for (const [index, diffId] of diffIds.entries()) {
    if (!/^sha256:[0-9a-f]{64}$/.test(diffId)) throw bad(`rootfs.diff_ids[${index}]`, 'a sha256 digest');
  }
  const config = file.config ?? {};
  if (!isObject(config)) throw bad('config', 'an object');
  const history = file.history ?? [];
  if (!Array.isArray(history)) throw bad('history', 'a list');
  return {
    config: containerConfig(config),
    architecture: text(file, 'architecture'),
    variant: text(file, 'variant'),
    os: text(file, 'os') || 'linux',
    author: text(file, 'author'),
    comment: text(file, 'comment'),
    created: text(file, 'created'),
    diffIds,
    history: history.map(historyEntry),
  };
}

export interface NewImage {
  readonly config: ContainerConfig;
  readonly architecture: string;
  readonly variant: string;
  readonly os: string;
  readonly author: string;
  readonly comment: string;
  readonly created: string;
  readonly diffIds: readonly string[];
  readonly history: readonly HistoryEntry[];
}

/** Config JSON of a new image; its id is the digest of these bytes. */
export function makeImageConfig(image: NewImage): { readonly bytes: Uint8Array; readonly id: string } {
  const json = JSON.stringify({
    architecture: image.architecture,
    ...(image.variant === '' ? {} : { variant: image.variant }),
    ...(image.author === '' ? {} : { author: image.author }),
    ...(image.comment === '' ? {} : { comment: image.comment }),
    config: image.config,
    created: image.created,
    history: image.history.map((entry) => ({
      created: entry.created,
      ...(entry.createdBy === '' ? {} : { created_by: entry.createdBy }),
      ...(entry.author === '' ? {} : { author: entry.author }),
      ...(entry.comment === '' ? {} : { comment: entry.comment }),
      ...(entry.emptyLayer ? { empty_layer: true } : {}),
    })),
    os: image.os,
    rootfs: { type: 'layers', diff_ids: image.diffIds },
  });
  return { bytes: Buffer.from(json), id: sha256(json) };
}
