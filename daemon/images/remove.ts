// Owns `docker rmi` and `docker image prune`: which names and images go, and which conflicts stand against it, in Docker's words.
import { conflict, EngineError } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import { nowNs } from '../base/time.ts';
import { parseTimestamp } from '../base/timestamp.ts';
import type { Database } from '../store/database.ts';
import type { ImageRow, ImageTable } from '../store/images.ts';
import { type Catalog, checkFilters, filterFlag, isIdPrefix, labelsMatch } from './catalog.ts';
import type { ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import { familiarName, parseReference, parseStored, type Reference, repositoryOf, storedName } from './reference.ts';
import type { Filters, ImageRemoval, ImageUsage } from './types.ts';

interface Conflict {
  readonly hard: boolean;
  /** A container stands in the way. */
  readonly used: boolean;
  readonly error: EngineError;
}

/** Which conflicts count. Hard ones always do. */
interface Care {
  readonly stopped: boolean;
  readonly references: boolean;
}

/** True for one tag, with or without digests of the same repository. */
function isSingle(references: readonly Reference[]): boolean {
  if (references.length <= 1) return references.length === 1;
  const tags = references.filter((reference) => reference.digest === '');
  const withDigest = new Set(references.filter((reference) => reference.digest !== '').map(repositoryOf));
  const single = tags[0] ?? references[0];
  return tags.length <= 1 && withDigest.size === 1 && single !== undefined && withDigest.has(repositoryOf(single));
}

export class Remover {
  readonly #database: Database;
  readonly #images: ImageTable;
  readonly #catalog: Catalog;
  readonly #store: ImageStore;
  readonly #layers: LayerStore;
  readonly #usage: ImageUsage;

  constructor(parts: {
    readonly database: Database;
    readonly images: ImageTable;
    readonly catalog: Catalog;
    readonly store: ImageStore;
    readonly layers: LayerStore;
    readonly usage: ImageUsage;
  }) {
    this.#database = parts.database;
    this.#images = parts.images;
    this.#catalog = parts.catalog;
    this.#store = parts.store;
    this.#layers = parts.layers;
    this.#usage = parts.usage;
  }

  /** Rows change in one transaction, so a conflict at the end takes nothing back by halves; files go behind it. */
  async remove(
    reference: string,
    options: { readonly force: boolean; readonly prune: boolean },
  ): Promise<ImageRemoval[]> {
    const records = this.#database.transaction(() => this.#removeRows(reference, options));
    const gone = await this.collect();
    return [...records, ...gone.map((chainId) => ({ Deleted: chainId }))];
  }

  async prune(filters: Filters): Promise<{ deleted: ImageRemoval[]; reclaimed: number }> {
    checkFilters(filters, ['dangling', 'label', 'label!', 'until']);
    const danglingOnly = filterFlag(filters, 'dangling') ?? true;
    const now = nowNs();
    const until = (filters.until ?? []).map((time) => parseTimestamp(time, now));
    const sizes = new Map(this.#layers.table.all().map((row) => [row.chainId, row.size]));
    const deleted: ImageRemoval[] = [];
    for (const row of this.#images.all()) {
      const config = this.#catalog.configOf(row);
      const created = this.#catalog.createdNs(row);
      if (until.some((limit) => created > limit) || !labelsMatch(filters, config.config.Labels ?? {})) continue;
      const names = this.#images.referencesOf(row.id);
      if (names.length === 0 && this.#images.children(row.id).length > 0) continue;
      const tagged = names.some((name) => parseStored(name).digest === '');
      if (danglingOnly && tagged) continue;
      const targets = names.length === 0 ? [row.id] : names;
      for (const target of targets) deleted.push(...(await this.#unlessInUse(target)));
    }
    const late = await this.collect();
    const gone = [...deleted.map((record) => record.Deleted ?? ''), ...late];
    const reclaimed = gone.reduce((sum, chainId) => sum + (sizes.get(chainId) ?? 0), 0);
    this.#store.pruned(reclaimed);
    return { deleted, reclaimed };
  }

  /** Removes images that were only kept for stopped containers which have gone since, and layers that nobody has. */
  async collect(): Promise<string[]> {
    this.#database.transaction(() => {
      for (const row of this.#images.marked()) {
        if (this.#usage.containersOf(row.id).length > 0) continue;
        this.#images.delete(row.id);
        this.#catalog.forget(row.id);
      }
    });
    return this.#layers.collect();
  }

  async #unlessInUse(target: string): Promise<ImageRemoval[]> {
    try {
      return await this.remove(target, { force: false, prune: true });
    } catch (error) {
      // In use, or gone with its parent: prune passes over it.
      if (error instanceof EngineError && (error.kind === 'conflict' || error.kind === 'not-found')) return [];
      throw error;
    }
  }

  #removeRows(text: string, options: { readonly force: boolean; readonly prune: boolean }): ImageRemoval[] {
    const row = this.#catalog.find(text);
    const records: ImageRemoval[] = [];
    const references = this.#images.referencesOf(row.id).map(parseStored);
    const byName = !isIdPrefix(row.id, text);
    if (byName) {
      if (!options.force && isSingle(references)) this.#checkNameInUse(row, text);
      this.#untagByName(row, parseReference(text), records);
      if (this.#images.referencesOf(row.id).length > 0) return records;
    } else if (isSingle(references)) {
      const care = { stopped: !options.force, references: false };
      const found = this.#conflictOf(row, care);
      if (found !== undefined) throw found.error;
      for (const reference of references) this.#untag(row, reference, records);
    }
    this.#removeImage(row, records, { ...options, quiet: byName });
    return records;
  }

  #checkNameInUse(row: ImageRow, text: string): void {
    const [user] = this.#usage.containersOf(row.id);
    if (user === undefined) return;
    throw conflict(
      `conflict: unable to remove repository reference "${text}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(row.id)}`,
    );
  }

  /** With the last tag of a repository its digests go too. */
  #untagByName(row: ImageRow, reference: Reference, records: ImageRemoval[]): void {
    this.#untag(row, reference, records);
    if (reference.digest !== '') return;
    const left = this.#images.referencesOf(row.id).map(parseStored);
    const same = left.filter((other) => repositoryOf(other) === repositoryOf(reference));
    if (same.some((other) => other.digest === '')) return;
    for (const other of same) this.#untag(row, other, records);
  }

  #untag(row: ImageRow, reference: Reference, records: ImageRemoval[]): void {
    const name = storedName(reference);
    this.#store.untag(row.id, name);
    records.push({ Untagged: familiarName(parseStored(name)) });
  }

  #removeImage(
    row: ImageRow,
    records: ImageRemoval[],
    options: { readonly force: boolean; readonly prune: boolean; readonly quiet: boolean },
  ): void {
    const found = this.#conflictOf(row, { stopped: !options.force, references: !options.force });
    if (found !== undefined) {
      const dangling = this.#images.referencesOf(row.id).length === 0;
      if (options.quiet && (!dangling || found.used)) return;
      throw found.error;
    }
    for (const name of this.#images.referencesOf(row.id)) this.#untag(row, parseStored(name), records);
    this.#store.event('delete', row.id, row.id);
    if (this.#usage.containersOf(row.id).length > 0) this.#images.markRemoved(row.id);
    else this.#images.delete(row.id);
    this.#catalog.forget(row.id);
    records.push({ Deleted: row.id });
    const parent = options.prune && row.parent !== '' ? this.#images.get(row.parent) : undefined;
    if (parent !== undefined) this.#removeImage(parent, records, { force: false, prune: true, quiet: true });
  }

  #conflictOf(row: ImageRow, care: Care): Conflict | undefined {
    const make = (hard: boolean, used: boolean, reason: string): Conflict => ({
      hard,
      used,
      error: conflict(
        `conflict: unable to delete ${shortId(row.id)} (${hard ? 'cannot be forced' : 'must be forced'}) - ${reason}`,
      ),
    });
    if (this.#images.children(row.id).length > 0) return make(true, false, 'image has dependent child images');
    const users = this.#usage.containersOf(row.id);
    const running = users.find((user) => user.running);
    if (running !== undefined)
      return make(true, true, `image is being used by running container ${shortId(running.id)}`);
    if (care.references && this.#images.referencesOf(row.id).length > 0) {
      return make(false, false, 'image is referenced in multiple repositories');
    }
    const [stopped] = users;
    if (care.stopped && stopped !== undefined) {
      return make(false, true, `image is being used by stopped container ${shortId(stopped.id)}`);
    }
    return undefined;
  }
}
