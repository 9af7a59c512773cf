// Owns which events a client's filters let through, with Docker's rules. Pure.
import { invalidArgument } from '../base/errors.ts';
import type { EventRow } from '../store/events.ts';

export type EventFilters = Readonly<Record<string, readonly string[]>>;

const known = new Set(
  'config container daemon event image label network node plugin scope secret service type volume builder'.split(' '),
);

/** Throws invalid-argument `invalid filter '…'`. */
export function checkEventFilters(filters: EventFilters): void {
  for (const name of Object.keys(filters)) {
    if (!known.has(name)) throw invalidArgument(`invalid filter '${name}'`);
  }
}

const oneOf = (wanted: readonly string[] | undefined, texts: readonly string[]): boolean =>
  wanted === undefined || wanted.length === 0 || texts.some((text) => wanted.includes(text));

/** The beginning of an id or a name is enough. */
const begins = (wanted: readonly string[] | undefined, texts: readonly string[]): boolean =>
  wanted === undefined || wanted.length === 0 || wanted.some((prefix) => texts.some((text) => text.startsWith(prefix)));

/** `health_status: healthy` is also `health_status`, `exec_create: sh` also `exec_create`. */
const actionNames = (action: string): readonly string[] => [action, action.split(':', 1)[0] ?? action];

function hasLabels(attributes: Readonly<Record<string, string>>, wanted: readonly string[] | undefined): boolean {
  return (wanted ?? []).every((label) => {
    const at = label.indexOf('=');
    const key = at < 0 ? label : label.slice(0, at);
    return Object.hasOwn(attributes, key) && (at < 0 || attributes[key] === label.slice(at + 1));
  });
}

/** `name:tag` -> `name`; a port of a registry is no tag. */
const withoutTag = (reference: string): string => reference.replace(/:[^:/]*$/, '');

function matchesImage(event: EventRow, wanted: readonly string[] | undefined): boolean {
  const name = event.attributes[event.type === 'image' ? 'name' : 'image'] ?? '';
  return oneOf(wanted, [event.actorId, name, withoutTag(event.actorId), withoutTag(name)]);
}

const kinds = ['container', 'daemon', 'network', 'volume', 'plugin', 'service', 'node', 'secret', 'config'] as const;

/** All filters must hold; of the values of one, any. */
export function matchesEvent(event: EventRow, filters: EventFilters): boolean {
  const identity = [event.actorId, event.attributes.name ?? ''];
  return (
    oneOf(filters.event, actionNames(event.action)) &&
    oneOf(filters.type, [event.type]) &&
    oneOf(filters.scope, ['local']) &&
    kinds.every((kind) => begins(filters[kind], identity)) &&
    hasLabels(event.attributes, filters.label) &&
    matchesImage(event, filters.image)
  );
}
