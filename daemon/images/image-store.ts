// Owns the changes of image rows and names, each with its event in one transaction. Touches no file.
import { nowNs } from '../base/time.ts';
import type { Database } from '../store/database.ts';
import type { EventTable } from '../store/events.ts';
import type { ImageRow, ImageTable } from '../store/images.ts';
import type { Catalog } from './catalog.ts';
import { familiarName, parseStored, type Reference, storedName } from './reference.ts';

export interface NewImageRecord {
  readonly id: string;
  readonly config: Uint8Array;
  readonly parent: string;
  readonly chainIds: readonly string[];
  readonly references: readonly Reference[];
  /** `load`, `import`, `pull`; empty: no event. */
  readonly action: string;
}

export class ImageStore {
  readonly #database: Database;
  readonly #images: ImageTable;
  readonly #events: EventTable;
  readonly #catalog: Catalog;

  constructor(database: Database, images: ImageTable, events: EventTable, catalog: Catalog) {
    this.#database = database;
    this.#images = images;
    this.#events = events;
    this.#catalog = catalog;
  }

  /** Stores the image with its names. Returns which other image had each name before. */
  record(image: NewImageRecord): ReadonlyMap<Reference, string> {
    return this.#database.transaction(() => {
      const before = new Map<Reference, string>();
      const now = nowNs();
      const parent = image.parent !== '' && this.#images.get(image.parent) !== undefined ? image.parent : '';
      this.#images.insert(
        { id: image.id, config: image.config, parent, addedNs: now, lastTaggedNs: 0n },
        image.chainIds,
      );
      for (const reference of image.references) {
        const name = storedName(reference);
        const previous = this.#images.reference(name);
        if (previous !== undefined && previous.imageId !== image.id) before.set(reference, previous.imageId);
        this.#images.setReference(name, image.id, now);
        if (image.action === 'import') this.event('tag', image.id, familiarName(parseStored(name)));
      }
      if (image.action !== '') this.event(image.action, image.id, image.id);
      return before;
    });
  }

  tag(row: ImageRow, reference: Reference): void {
    this.#database.transaction(() => {
      const name = storedName(reference);
      this.#images.setReference(name, row.id, nowNs());
      this.event('tag', row.id, familiarName(parseStored(name)));
    });
  }

  untag(id: string, name: string): void {
    this.#database.transaction(() => {
      this.#images.deleteReference(name);
      this.event('untag', id, id);
    });
  }

  /** Appends an event of the image with its labels; call it while the row is still there. */
  event(action: string, id: string, name: string): void {
    this.namedEvent(action, id, { id, name });
  }

  /** The same of pull and push, whose actor is the name that was pulled or pushed. */
  namedEvent(action: string, id: string, as: { readonly id: string; readonly name: string }): void {
    const row = this.#images.get(id);
    const labels = row === undefined ? {} : (this.#catalog.configOf(row).config.Labels ?? {});
    this.#events.append({ type: 'image', action, actorId: as.id, attributes: { ...labels, name: as.name } });
  }

  pruned(reclaimed: number): void {
    this.#events.append({ type: 'image', action: 'prune', actorId: '', attributes: { reclaimed: String(reclaimed) } });
  }
}
