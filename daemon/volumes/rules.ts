// Owns what is pure about volumes: which names are good, and which volumes a prune takes. Docker's words.
import { invalidArgument } from '../base/errors.ts';

/** Throws invalid-argument. The name becomes a directory's. */
export function checkVolumeName(name: string): void {
  if (name.length === 1) {
    throw invalidArgument(
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  if (name.length > 255)
    throw invalidArgument(`create ${name.slice(0, 32)}…: volume name is longer than 255 characters`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw invalidArgument(
      `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
}

interface Prunable {
  readonly anonymous: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

function holds(labels: Readonly<Record<string, string>>, filter: string): boolean {
  const equals = filter.indexOf('=');
  const key = equals < 0 ? filter : filter.slice(0, equals);
  return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === filter.slice(equals + 1));
}

/** Anonymous ones, or all with `all`; `label` must hold and `label!` must not. Throws invalid-argument for other filters. */
export function pruneSelects(filters: Readonly<Record<string, readonly string[]>>): (volume: Prunable) => boolean {
  for (const key of Object.keys(filters)) {
    if (!['all', 'label', 'label!'].includes(key)) throw invalidArgument(`invalid filter '${key}'`);
  }
  const all = filters.all ?? [];
  if (all.some((value) => !['true', '1', 'false', '0'].includes(value))) {
    throw invalidArgument(`invalid filter 'all=[${all.join(' ')}]'`);
  }
  const everything = all.includes('true') || all.includes('1');
  return (volume) =>
    (everything || volume.anonymous) &&
    (filters.label ?? []).every((filter) => holds(volume.labels, filter)) &&
    !(filters['label!'] ?? []).some((filter) => holds(volume.labels, filter));
}
