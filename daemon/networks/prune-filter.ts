// Owns the filters of network prune: until, label, label!. Pure.
import { invalidArgument } from '../base/errors.ts';
import type { NetworkRow } from '../store/networks.ts';

type Filters = Readonly<Record<string, readonly string[]>>;

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** A moment as Docker's `until` takes it: a Go duration before now, seconds since 1970, or RFC 3339. Nanoseconds since 1970. */
function parseUntil(text: string, nowNs: bigint): bigint {
  if (/^(\d+(\.\d+)?(h|ms|m|s|us|µs|ns))+$/.test(text)) {
    let milliseconds = 0;
    for (const [, amount, , unit = 's'] of text.matchAll(/(\d+(\.\d+)?)(ms|us|µs|ns|h|m|s)/g)) {
      milliseconds += Number(amount) * (UNITS[unit] ?? 0);
    }
    return nowNs - BigInt(Math.round(milliseconds * 1e6));
  }
  if (/^\d+(\.\d+)?$/.test(text)) return BigInt(Math.round(Number(text) * 1e9));
  const parsed = Date.parse(text);
  if (Number.isNaN(parsed)) throw invalidArgument(`invalid filter 'until=${text}': failed to parse value as time`);
  return BigInt(parsed) * 1_000_000n;
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const [key = '', value] = wanted.split(/=(.*)/s);
  return Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
}

/** Tells whether a network is meant. Throws invalid-argument for an unknown filter or value. */
export function pruneFilter(filters: Filters, nowNs: bigint): (network: NetworkRow) => boolean {
  for (const name of Object.keys(filters)) {
    if (!['until', 'label', 'label!'].includes(name)) throw invalidArgument(`invalid filter '${name}'`);
  }
  const until = (filters.until ?? []).map((text) => parseUntil(text, nowNs));
  const labels = filters.label ?? [];
  const unlabels = filters['label!'] ?? [];
  return (network) =>
    until.every((moment) => network.createdNs <= moment) &&
    labels.every((label) => hasLabel(network.labels, label)) &&
    !unlabels.some((label) => hasLabel(network.labels, label));
}
