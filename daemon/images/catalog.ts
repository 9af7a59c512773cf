// Owns the reading of images: finding one by what people type, its view for the rest of the engine, and the list with Docker's filters.
// Changes nothing.
import { type EngineError, invalidArgument, notFound } from '../base/errors.ts';
import { nowNs } from '../base/time.ts';
import { parseRfc3339, parseTimestamp } from '../base/timestamp.ts';
import type { ImageRow, ImageTable, LayerRow, LayerTable } from '../store/images.ts';
import { globPattern } from './glob.ts';
import { type HistoryEntry, type ImageConfigFile, parseImageConfig } from './image-config.ts';
import {
  familiarName,
  familiarRepository,
  isDigest,
  parseReference,
  parseStored,
  shownName,
  storedName,
} from './reference.ts';
import type { Filters, Image, ImageHistory } from './types.ts';

/** Whether `text` is the id of the image or the beginning of it. */
export const isIdPrefix = (id: string, text: string): boolean =>
  id.startsWith(text) || id.slice('sha256:'.length).startsWith(text);

/** Reads `true`, `1`, `false`, `0` of a filter as Go's filter package does; undefined when the filter is absent. */
export function filterFlag(filters: Filters, key: string): boolean | undefined {
  const values = filters[key];
  if (values === undefined || values.length === 0) return undefined;
  const yes = values.some((value) => value === 'true' || value === '1');
  const no = values.some((value) => value === 'false' || value === '0');
  if (yes === no) throw invalidArgument(`invalid filter '${key}=[${values.join(' ')}]'`);
  return yes;
}

/** Throws invalid-argument for a filter that is not in `known`. */
export function checkFilters(filters: Filters, known: readonly string[]): void {
  for (const key of Object.keys(filters)) {
    if (!known.includes(key)) throw invalidArgument(`invalid filter '${key}'`);
  }
}

/** Every `label` (`key` or `key=value`) holds and no `label!` does. */
export function labelsMatch(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const holds = (filter: string): boolean => {
    const equals = filter.indexOf('=');
    const key = equals < 0 ? filter : filter.slice(0, equals);
    return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === filter.slice(equals + 1));
  };
  return (filters.label ?? []).every(holds) && !(filters['label!'] ?? []).some(holds);
}

const listFilters = ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until'];

export class Catalog {
  readonly #images: ImageTable;
  readonly #layers: LayerTable;
  /** Of config JSON, which never changes under one id. */
  readonly #parsed = new Map<string, ImageConfigFile>();

  constructor(images: ImageTable, layers: LayerTable) {
    this.#images = images;
    this.#layers = layers;
  }

  configOf(row: ImageRow): ImageConfigFile {
    let parsed = this.#parsed.get(row.id);
    if (parsed === undefined) {
      parsed = parseImageConfig(row.config);
      this.#parsed.set(row.id, parsed);
    }
    return parsed;
  }

  forget(id: string): void {
    this.#parsed.delete(id);
  }

  createdNs(row: ImageRow): bigint {
    return parseRfc3339(this.configOf(row).created) ?? 0n;
  }

  view(row: ImageRow, names = this.#images.referencesOf(row.id)): Image {
    const config = this.configOf(row);
    const layers = this.#layers.ofImage(row.id);
    const references = names.map(parseStored);
    return {
      id: row.id,
      config: config.config,
      architecture: config.architecture,
      variant: config.variant,
      os: config.os,
      author: config.author,
      comment: config.comment,
      created: config.created,
      diffIds: config.diffIds,
      size: layers.reduce((sum, layer) => sum + layer.size, 0),
      repoTags: references.filter((reference) => reference.digest === '').map(familiarName),
      repoDigests: references.filter((reference) => reference.digest !== '').map(familiarName),
      history: historyOf(config.history, layers),
      parent: row.parent,
      lastTaggedNs: row.lastTaggedNs,
    };
  }

  /** By name, name@digest, id or unique prefix. Throws not-found `No such image: …`, invalid-argument for what can be no name. */
  find(reference: string): ImageRow {
    const missing = (): EngineError => notFound(`No such image: ${shownName(reference)}`);
    if (/^[a-f0-9]{64}$/.test(reference) || isDigest(reference)) {
      const row = this.#images.get(reference.startsWith('sha256:') ? reference : `sha256:${reference}`);
      if (row === undefined || row.removed) throw missing();
      return row;
    }
    const named = this.#images.reference(storedName(parseReference(reference)));
    const id = named === undefined ? this.#byPrefix(reference) : named.imageId;
    const row = id === undefined ? undefined : this.#images.get(id);
    if (row === undefined) throw missing();
    return row;
  }

  /** Newest first. `filters` as documented for `docker images`; `all`: intermediate images too. */
  list(filters: Filters, all: boolean): Image[] {
    checkFilters(filters, listFilters);
    const dangling = filterFlag(filters, 'dangling');
    const rows = this.#images.all();
    const names = new Map<string, string[]>();
    for (const reference of this.#images.references()) {
      names.set(reference.imageId, [...(names.get(reference.imageId) ?? []), reference.name]);
    }
    const parents = new Set(rows.map((row) => row.parent));
    const within = this.#window(filters);
    const patterns = filters.reference ?? [];
    const result: { readonly created: bigint; readonly image: Image }[] = [];
    for (const row of rows) {
      const created = this.createdNs(row);
      const own = names.get(row.id) ?? [];
      const shown = patterns.length === 0 ? own : own.filter((name) => patterns.some((p) => matches(p, name)));
      if (patterns.length > 0 && shown.length === 0) continue;
      if (!within(created) || !labelsMatch(filters, this.configOf(row).config.Labels ?? {})) continue;
      const isDangling = own.length === 0;
      if (dangling !== undefined && dangling !== isDangling) continue;
      if (isDangling && !all && parents.has(row.id)) continue;
      result.push({ created, image: this.view(row, shown) });
    }
    result.sort((a, b) =>
      a.created === b.created ? (a.image.id < b.image.id ? -1 : 1) : a.created < b.created ? 1 : -1,
    );
    return result.map((entry) => entry.image);
  }

  /** `before`, `since` and `until`; several of one kind must all hold. */
  #window(filters: Filters): (createdNs: bigint) => boolean {
    const now = nowNs();
    const before = (filters.before ?? []).map((reference) => this.createdNs(this.find(reference)));
    const since = (filters.since ?? []).map((reference) => this.createdNs(this.find(reference)));
    const until = (filters.until ?? []).map((time) => parseTimestamp(time, now));
    return (created) =>
      before.every((limit) => created < limit) &&
      since.every((limit) => created > limit) &&
      until.every((limit) => created < limit);
  }

  #byPrefix(text: string): string | undefined {
    const prefix = text.startsWith('sha256:') ? text.slice('sha256:'.length) : text;
    if (!/^[0-9a-f]{1,64}$/.test(prefix)) return undefined;
    const found = this.#images.byPrefix(prefix, 2);
    return found.length === 1 ? found[0]?.id : undefined;
  }
}

/** Docker's `reference` filter: a glob over the familiar name with or without tag. */
function matches(pattern: string, name: string): boolean {
  const glob = globPattern(pattern);
  if (glob === undefined) throw invalidArgument(`syntax error in pattern`);
  const reference = parseStored(name);
  return glob.test(familiarName(reference)) || glob.test(familiarRepository(reference));
}

/** Sizes belong to the entries that made a layer; an old image without history has none. */
function historyOf(entries: readonly HistoryEntry[], layers: readonly LayerRow[]): ImageHistory[] {
  let next = 0;
  return entries.map((entry) => ({
    created: entry.created,
    createdBy: entry.createdBy,
    comment: entry.comment,
    emptyLayer: entry.emptyLayer,
    size: entry.emptyLayer ? 0 : (layers[next++]?.size ?? 0),
  }));
}
