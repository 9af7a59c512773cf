// Owns the meaning of the filters of `docker ps`. Pure: what a filter needs to know of images, networks and ports comes with the candidate.
import { invalidArgument } from '../base/errors.ts';
import { dockerStatus, isRunning } from './lifecycle.ts';
import type { ContainerRecord } from './types.ts';

export type Filters = Readonly<Record<string, readonly string[]>>;

const STATUSES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTHS = ['none', 'starting', 'healthy', 'unhealthy'];
const known = new Set(
  'ancestor before exited expose health id is-task isolation label name network publish since status volume'.split(' '),
);
const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** What the filters were resolved to; see parseFilters. */
export interface ListFilters {
  readonly values: Filters;
  readonly exitCodes: readonly number[];
  readonly publish: ReadonlySet<string>;
  readonly expose: ReadonlySet<string>;
  /** A status was asked for: containers that do not run count too. */
  readonly everyState: boolean;
  readonly isTask: boolean | undefined;
}

/** `80`, `80/udp`, `8000-8010/tcp` -> `port/protocol` each. */
function ports(name: string, specs: readonly string[]): ReadonlySet<string> {
  const result = new Set<string>();
  for (const spec of specs) {
    const [range = '', protocol = 'tcp'] = spec.split('/');
    const [first = '', last = first] = range.split('-');
    for (const part of [first, last]) {
      if (!/^\d{1,5}$/.test(part) || Number(part) > 65_535) {
        throw invalidArgument(
          `error while looking up for ${name} ${spec}: strconv.ParseUint: parsing ${JSON.stringify(part)}: invalid syntax`,
        );
      }
    }
    for (let port = Number(first); port <= Number(last); port++) result.add(`${port}/${protocol.toLowerCase()}`);
  }
  return result;
}

/** Throws invalid-argument in Docker's words for a filter or value that does not exist. */
export function parseFilters(values: Filters): ListFilters {
  for (const name of Object.keys(values)) {
    if (!known.has(name)) throw invalidArgument(`invalid filter '${name}'`);
  }
  const exitCodes = (values.exited ?? []).map((value) => {
    if (!/^[+-]?\d+$/.test(value)) {
      throw invalidArgument(
        `invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    }
    return Number(value);
  });
  for (const status of values.status ?? []) {
    if (!STATUSES.includes(status)) throw invalidArgument(`invalid filter 'status=${status}'`);
  }
  for (const health of values.health ?? []) {
    if (!HEALTHS.includes(health)) throw invalidArgument(`unrecognized filter value for health: ${health}`);
  }
  return {
    values,
    exitCodes,
    publish: ports('publish', values.publish ?? []),
    expose: ports('expose', values.expose ?? []),
    everyState: (values.status ?? []).length > 0,
    isTask: isTask(values['is-task'] ?? []),
  };
}

function isTask(values: readonly string[]): boolean | undefined {
  if (values.length === 0) return undefined;
  const yes = values.some((value) => TRUE.has(value));
  const no = values.some((value) => FALSE.has(value));
  if (yes === no || values.some((value) => !TRUE.has(value) && !FALSE.has(value))) {
    throw invalidArgument(`invalid filter 'is-task=[${values.join(' ')}]'`);
  }
  return yes;
}

/** Each of `wanted` is `key` or `key=value`; all must hold. */
export function matchesLabels(labels: Readonly<Record<string, string>>, wanted: readonly string[]): boolean {
  return wanted.every((each) => {
    const at = each.indexOf('=');
    const key = at < 0 ? each : each.slice(0, at);
    return Object.hasOwn(labels, key) && (at < 0 || labels[key] === each.slice(at + 1));
  });
}

/** Regular expressions, as Docker has them; one that is none matches nothing. */
function matchesPattern(patterns: readonly string[] | undefined, texts: readonly string[]): boolean {
  if (patterns === undefined || patterns.length === 0) return true;
  return patterns.some((pattern) => {
    try {
      const expression = new RegExp(pattern);
      return texts.some((text) => expression.test(text));
    } catch {
      return false;
    }
  });
}

/** What a record does not say by itself. */
export interface Surroundings {
  /** Ids of the images that `ancestor` names, their descendants included; undefined when it was not asked for. */
  readonly ancestors?: ReadonlySet<string>;
  /** Bounds of `before` and `since`, ns; both exclusive. */
  readonly createdBefore?: bigint;
  readonly createdAfter?: bigint;
  /** Docker's word by container; one that is not in it has no health. */
  readonly healths?: ReadonlyMap<string, string>;
  /** Names and ids of the container's networks. */
  readonly networksOf: (record: ContainerRecord) => readonly { readonly name: string; readonly id: string }[];
}

const anyOf = (wanted: ReadonlySet<string>, there: readonly string[]): boolean =>
  wanted.size === 0 || there.some((key) => wanted.has(key.includes('/') ? key : `${key}/tcp`));

function matchesVolume(record: ContainerRecord, wanted: readonly string[]): boolean {
  return (
    wanted.length === 0 ||
    wanted.some((value) =>
      record.mounts.some(({ name, destination, source, type }) =>
        [name, destination, type === 'bind' ? source : ''].includes(value),
      ),
    )
  );
}

function matchesState(record: ContainerRecord, filters: ListFilters, around: Surroundings): boolean {
  const { values } = filters;
  const status = dockerStatus(record.state, record.startedNs !== 0n);
  if (!matchesPattern(values.status, [status])) return false;
  if (filters.exitCodes.length > 0) {
    const ended = !isRunning(record.state) && record.startedNs !== 0n;
    if (!ended || !filters.exitCodes.includes(record.exitCode)) return false;
  }
  const healths = values.health ?? [];
  return healths.length === 0 || healths.includes(around.healths?.get(record.id) ?? 'none');
}

/** Whether a container is in the list; limit and `all` are the caller's. */
export function matches(record: ContainerRecord, filters: ListFilters, around: Surroundings): boolean {
  const { values } = filters;
  if (!matchesPattern(values.name, [`/${record.name}`, record.name])) return false;
  if (!matchesPattern(values.id, [record.id])) return false;
  if (filters.isTask === true) return false;
  if (!matchesLabels(record.config.Labels ?? {}, values.label ?? [])) return false;
  if (around.createdBefore !== undefined && record.createdNs >= around.createdBefore) return false;
  if (around.createdAfter !== undefined && record.createdNs <= around.createdAfter) return false;
  if (!matchesState(record, filters, around)) return false;
  if (!matchesVolume(record, values.volume ?? [])) return false;
  if (around.ancestors !== undefined && !around.ancestors.has(record.imageId)) return false;
  const networks = values.network ?? [];
  if (networks.length > 0) {
    const joined = around.networksOf(record);
    if (
      !networks.some((wanted) =>
        joined.some(({ name, id }) => name === wanted || (wanted !== '' && id.startsWith(wanted))),
      )
    ) {
      return false;
    }
  }
  return (
    anyOf(filters.publish, Object.keys(record.hostConfig.PortBindings ?? {})) &&
    anyOf(filters.expose, Object.keys(record.config.ExposedPorts ?? {}))
  );
}
