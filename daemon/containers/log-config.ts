// Owns the meaning of HostConfig.LogConfig: which drivers and options there are, and what the log writer is told. Pure.
import type { ContainerConfig, LogConfig } from '../../api-spec/index.ts';
import { invalidArgument, withContext } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import { nearest } from '../base/nearest.ts';
import type { LogOptions } from '../runtime/types.ts';

const jsonFileOptions = [
  'max-size',
  'max-file',
  'compress',
  'labels',
  'labels-regex',
  'env',
  'env-regex',
  'tag',
  'mode',
  'max-buffer-size',
];
/** What the driver `local` takes, and by how much it differs from json-file where nothing is said. */
const localOptions = jsonFileOptions.filter(
  (name) => !['labels', 'labels-regex', 'env', 'env-regex', 'tag'].includes(name),
);
const optionsOf: Readonly<Record<string, readonly string[]>> = { 'json-file': jsonFileOptions, local: localOptions };

/** Where the request has no max-size: no container fills the host's disk by talking. 100 MB a container, as Docker's `local` has it. */
const DEFAULT_MAX_SIZE = 20_000_000;
const DEFAULT_MAX_FILE = 5;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `10m`, `1.5g`, `100kb`, `5` -> bytes. Throws invalid-argument `invalid size: '…'`. */
export function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (number === undefined || factor === undefined) throw invalidArgument(`invalid size: '${text}'`);
  return Math.floor(Number(number) * factor);
}

/** Throws invalid-argument when the driver or one of its options is unknown. */
export function checkLogConfig(log: LogConfig): void {
  const type = log.Type ?? '';
  if (type === 'none') return;
  const known = optionsOf[type];
  if (known === undefined) {
    throw invalidArgument(
      `error looking up logging plugin ${type}: plugin "${type}" not found (the drivers are json-file, local and none)`,
    );
  }
  checkMode(log.Config ?? {});
  for (const name of Object.keys(log.Config ?? {})) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    const hint = near.length === 0 ? '' : ` (did you mean ${near.join(' or ')}?)`;
    const where = type === 'local' ? 'log driver local' : 'json-file log driver';
    throw invalidArgument(`unknown log opt '${name}' for ${where}${hint}`);
  }
  limits(log);
}

/**
 * Both modes write in the same way: the monitor writes to a file, what cannot be written is counted and the container goes on. So nothing
 * has to be buffered for a writer that waits.
 */
function checkMode(options: Readonly<Record<string, string>>): void {
  const mode = options.mode ?? '';
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalidArgument(`logger: logging mode not supported: ${mode}`);
  }
  const size = options['max-buffer-size'];
  if (size === undefined) return;
  if (mode !== 'non-blocking') {
    throw invalidArgument("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  try {
    parseSize(size);
  } catch (error) {
    throw withContext('error parsing option max-buffer-size', error);
  }
}

/** Sentences about options that have no effect here. */
export function logWarnings(log: LogConfig | undefined): readonly string[] {
  return log?.Config?.compress === 'true'
    ? ['Rotated log files are not compressed by this engine. The log option compress was ignored.']
    : [];
}

function limits(log: LogConfig): { readonly maxSize: number; readonly maxFile: number } {
  const options = log.Config ?? {};
  const size = options['max-size'] ?? '';
  const file = options['max-file'] ?? '';
  const isLocal = log.Type === 'local';
  // Docker asks for max-size before it takes max-file; local has one by itself.
  const bounded = size === '' && (isLocal || file === '');
  const maxSize = bounded ? DEFAULT_MAX_SIZE : size === '' || size === '-1' ? 0 : parseSize(size);
  if (file !== '' && !/^\d+$/.test(file))
    throw invalidArgument(`invalid max-file "${file}": expected a number of files`);
  const maxFile = file !== '' ? Number(file) : bounded || isLocal ? DEFAULT_MAX_FILE : 1;
  if (maxFile < 1) throw invalidArgument('max-file cannot be less than 1');
  if (file !== '' && maxFile > 1 && maxSize === 0)
    throw invalidArgument('max-file needs max-size: without it no file is ever full');
  return { maxSize, maxFile };
}

interface Names {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly imageReference: string;
}

const expandTag = (template: string, names: Names): string => {
  const values: Readonly<Record<string, string>> = {
    ID: shortId(names.id),
    FullID: names.id,
    Name: names.name,
    ImageID: shortId(names.imageId),
    ImageFullID: names.imageId,
    ImageName: names.imageReference,
    DaemonName: 'docker',
  };
  return template.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (all, key: string) => values[key] ?? all);
};

const listed = (text: string | undefined): readonly string[] => (text ?? '').split(',').filter((part) => part !== '');

const matcher = (text: string | undefined, option: string): ((key: string) => boolean) => {
  if (text === undefined || text === '') return () => false;
  try {
    const pattern = new RegExp(text);
    return (key) => pattern.test(key);
  } catch {
    throw invalidArgument(`invalid ${option} "${text}": not a regular expression`);
  }
};

function attributes(
  options: Readonly<Record<string, string>>,
  config: ContainerConfig,
  names: Names,
): Record<string, string> {
  const attrs: Record<string, string> = {};
  const labels = new Set(listed(options.labels));
  const labelMatches = matcher(options['labels-regex'], 'labels-regex');
  for (const [key, value] of Object.entries(config.Labels ?? {})) {
    if (labels.has(key) || labelMatches(key)) attrs[key] = value;
  }
  const variables = new Set(listed(options.env));
  const variableMatches = matcher(options['env-regex'], 'env-regex');
  for (const variable of config.Env ?? []) {
    const at = variable.indexOf('=');
    const key = at < 0 ? variable : variable.slice(0, at);
    if (at > 0 && (variables.has(key) || variableMatches(key))) attrs[key] = variable.slice(at + 1);
  }
  if ((options.tag ?? '') !== '') attrs.tag = expandTag(options.tag ?? '', names);
  return attrs;
}

/** What the monitor is told. */
export function logOptionsOf(log: LogConfig | undefined, config: ContainerConfig, names: Names): LogOptions {
  if (log?.Type === 'none') return { driver: 'none', maxSize: 0, maxFile: 1, attrs: {} };
  return { driver: 'json-file', ...limits(log ?? {}), attrs: attributes(log?.Config ?? {}, config, names) };
}
