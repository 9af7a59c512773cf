// Owns the layers on the disk and their rows: made in tmp/, renamed to layers/<chain id>/ when complete, removed when no image has them.
// A layer is complete or absent. Promise on durability: what a call has answered survives the death of the daemon at once; against a
// power cut it is made safe behind the answer (syncfs), and a layer that was not yet safe when the machine went down is dropped with its
// images at the next boot, never shown damaged.
import { existsSync, mkdirSync, openSync, readdirSync, renameSync } from 'node:fs';
import { chmod, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ArchiveSource,
  close,
  packTree,
  removeTree,
  scanArchive,
  syncFilesystem,
  type UnpackedLayer,
  unpackLayer,
} from '../../addon/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { newId, sha256 } from '../base/ids.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import { confirmed, type Leak } from '../base/leak.ts';
import type { Log } from '../base/log.ts';
import { nowNs } from '../base/time.ts';
import type { Database } from '../store/database.ts';
import { type LayerRow, LayerTable } from '../store/images.ts';
import { archiveError } from './archive-error.ts';
import { Semaphore } from './semaphore.ts';

/** Chain id of a layer on top of `parent` (empty: none), as the OCI image specification defines it. */
export const chainIdOf = (parent: string, diffId: string): string =>
  parent === '' ? diffId : sha256(`${parent} ${diffId}`);

/** Chain ids of a list of diff ids, the lowest first. */
export function chainIdsOf(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) chain.push(chainIdOf(chain.at(-1) ?? '', diffId));
  return chain;
}

/** Where a layer comes from, and what it must be. */
export interface LayerOrigin {
  readonly source: ArchiveSource;
  /** Digest of the bytes as they come; undefined: not known. */
  readonly digest?: string;
}

export interface LayerLimits {
  /** Bytes of one unpacked layer. */
  readonly maxBytes: number;
  readonly maxRatio: number;
  readonly maxEntries: number;
}

export const defaultLimits: LayerLimits = { maxBytes: 2 ** 40, maxRatio: 20_000, maxEntries: 20_000_000 };

export interface LayerStoreOptions {
  readonly database: Database;
  readonly dataRoot: string;
  readonly bootId: string;
  readonly log: Log;
  /** Layers unpacked at a time. */
  readonly parallel: number;
  readonly limits: LayerLimits;
}

export class LayerStore {
  readonly table: LayerTable;
  readonly #options: LayerStoreOptions;
  readonly #lock = new KeyedLock();
  readonly #slots: Semaphore;
  readonly #holds = new Map<string, number>();
  /** Names in tmp/ that work under way has. */
  readonly #busy = new Set<string>();
  #syncing: Promise<void> | undefined;

  constructor(options: LayerStoreOptions) {
    this.#options = options;
    this.table = new LayerTable(options.database);
    this.#slots = new Semaphore(options.parallel);
    for (const name of ['layers', 'tmp']) mkdirSync(join(options.dataRoot, name), { recursive: true, mode: 0o700 });
    mkdirSync(join(options.dataRoot, 'layers', 'empty', 'diff'), { recursive: true, mode: 0o755 });
  }

  directory(chainId: string): string {
    return join(this.#options.dataRoot, 'layers', chainId.slice('sha256:'.length), 'diff');
  }

  /** What an image without layers is made of. */
  emptyDirectory(): string {
    return join(this.#options.dataRoot, 'layers', 'empty', 'diff');
  }

  splitRecord(chainId: string): string {
    return join(this.#options.dataRoot, 'layers', chainId.slice('sha256:'.length), 'split');
  }

  /** The plain tar, kept only for a layer that is not reproducible. */
  keptTar(chainId: string): string {
    return join(this.#options.dataRoot, 'layers', chainId.slice('sha256:'.length), 'layer.tar');
  }

  /** A name in tmp/ that nothing has. */
  temporary(kind: string): string {
    return join(this.#options.dataRoot, 'tmp', `${kind}-${newId().slice(0, 16)}`);
  }

  /** While `fn` runs, none of the layers is removed, whether an image has it or not; afterwards those that none has are. */
  async holding<T>(chainIds: readonly string[], fn: () => Promise<T>): Promise<T> {
    for (const id of chainIds) this.#holds.set(id, (this.#holds.get(id) ?? 0) + 1);
    try {
      return await fn();
    } finally {
      for (const id of chainIds) {
        const count = (this.#holds.get(id) ?? 1) - 1;
        if (count === 0) this.#holds.delete(id);
        else this.#holds.set(id, count);
      }
      await this.collect();
    }
  }

  /**
   * Makes the layer when it is not there. Calls for the same layer share the work. The caller holds the layer. Throws invalid-argument
   * when its bytes or its contents do not have the digest that they must have. `turn` runs the unpacking when its turn has come, in
   * place of this store's own bound: for sources that may keep it waiting, which must not hold up the others.
   */
  async ensure(
    parent: string,
    diffId: string,
    position: number,
    origin: () => Promise<LayerOrigin>,
    turn: (work: () => Promise<LayerRow>) => Promise<LayerRow> = (work) => this.#slots.run(work),
  ): Promise<LayerRow> {
    const chainId = chainIdOf(parent, diffId);
    return this.#lock.run(chainId, async () => {
      const known = this.table.get(chainId);
      if (known !== undefined) return known;
      return turn(async () => {
        const made = await this.#unpack(await origin(), true);
        try {
          if (made.layer.diffId !== diffId) {
            throw invalidArgument(
              `invalid diffID for layer ${position}: expected "${diffId}", got "${made.layer.diffId}"`,
            );
          }
          return await this.#keep(made, parent);
        } catch (error) {
          await removeTree(made.directory);
          throw error;
        } finally {
          this.#busy.delete(made.directory);
        }
      });
    });
  }

  /** Makes a layer whose digest is not known before. The layer is held until `use` has ended. */
  async add<T>(parent: string, origin: LayerOrigin, use: (layer: LayerRow) => Promise<T>): Promise<T> {
    const made = await this.#slots.run(() => this.#unpack(origin, false));
    const chainId = chainIdOf(parent, made.layer.diffId);
    return this.holding([chainId], async () => {
      const row = await this.#lock.run(chainId, async () => {
        try {
          const known = this.table.get(chainId) ?? (await this.#keep(made, parent));
          // Kept, it has another name by now.
          await removeTree(made.directory);
          return known;
        } catch (error) {
          await removeTree(made.directory);
          throw error;
        } finally {
          this.#busy.delete(made.directory);
        }
      });
      return use(row);
    });
  }

  /** Removes layers that no image has and no call holds: rows first, then directories. */
  async collect(): Promise<string[]> {
    const gone = this.#options.database.transaction(() => {
      const list = this.table.unreferenced().filter((chainId) => !this.#holds.has(chainId));
      for (const chainId of list) this.table.delete(chainId);
      return list;
    });
    for (const chainId of gone) {
      await this.#lock.run(chainId, async () => {
        // Made again meanwhile: it stays.
        if (this.table.get(chainId) !== undefined) return;
        const grave = this.temporary('removed');
        this.#busy.add(grave);
        try {
          await rename(join(this.directory(chainId), '..'), grave);
          await removeTree(grave).catch((error: unknown) =>
            this.#options.log.warn(
              { err: error, path: grave },
              'a removed layer stays on the disk until the next start',
            ),
          );
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
          throw error;
        } finally {
          this.#busy.delete(grave);
        }
      });
    }
    return gone;
  }

  /** Layers that may be damaged: made in an earlier boot and never known to be on the disk. */
  doubtful(): LayerRow[] {
    return this.table.unsynced().filter((row) => row.unsyncedBoot !== this.#options.bootId);
  }

  /** At boot: removes what has no row and what was half made. */
  async sweep(): Promise<void> {
    await this.collect();
    for (const { heal } of this.#look()) await heal?.();
    this.secure();
  }

  /** Directories that no layer and no work has, and layers without their directory. */
  leaks(): Promise<readonly Leak[]> {
    return confirmed(
      async () => this.#look(),
      async (suspects) => {
        const chains = suspects.flatMap(({ owner }) => owner ?? []);
        await Promise.all(chains.map((chainId) => this.#lock.run(chainId, () => undefined)));
      },
    );
  }

  #look(): readonly Leak[] {
    const { dataRoot } = this.#options;
    const rows = new Map(this.table.all().map(({ chainId }) => [chainId.slice('sha256:'.length), chainId]));
    const present = new Set(readdirSync(join(dataRoot, 'layers')));
    const leaks: Leak[] = [];
    for (const name of present) {
      if (name === 'empty' || rows.has(name)) continue;
      const [path, chainId] = [join(dataRoot, 'layers', name), `sha256:${name}`];
      const heal = (): Promise<void> =>
        this.#lock.run(chainId, async () => {
          if (this.table.get(chainId) === undefined) await removeTree(path);
        });
      leaks.push({ kind: 'directory', name: path, owner: chainId, problem: 'no image has this layer', heal });
    }
    for (const name of readdirSync(join(dataRoot, 'tmp'))) {
      const path = join(dataRoot, 'tmp', name);
      if (!/^(?:layer|removed|spool)-/.test(name) || this.#busy.has(path)) continue;
      leaks.push({ kind: 'directory', name: path, problem: 'left of a layer', heal: () => removeTree(path) });
    }
    for (const [name, chainId] of rows) {
      if (existsSync(join(dataRoot, 'layers', name, 'diff'))) continue;
      const problem = 'the directory of the layer is missing: remove the images that have it, and get them again';
      leaks.push({ kind: 'row', name: `layer ${chainId}`, owner: chainId, problem });
    }
    return leaks;
  }

  /** Writes layers through to the disk, behind the caller's back; calls that come meanwhile share the next round. */
  secure(): void {
    this.#syncing ??= this.#syncRound()
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'layers could not be written through to the disk'),
      )
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  /** Resolves when no write-through is under way. */
  async settled(): Promise<void> {
    await this.#syncing;
  }

  async #syncRound(): Promise<void> {
    for (;;) {
      const pending = this.table.unsynced().map((row) => row.chainId);
      if (pending.length === 0 || !this.#options.database.handle.open) return;
      await syncFilesystem(join(this.#options.dataRoot, 'layers'));
      if (!this.#options.database.handle.open) return;
      this.#options.database.transaction(() => this.table.markSynced(pending));
    }
  }

  async #unpack(origin: LayerOrigin, seekable: boolean): Promise<{ directory: string; layer: UnpackedLayer }> {
    const directory = this.temporary('layer');
    this.#busy.add(directory);
    const diff = join(directory, 'diff');
    const { maxBytes, maxRatio, maxEntries } = this.#options.limits;
    const limits = { maxBytes, maxRatio, maxEntries };
    try {
      await mkdir(diff, { recursive: true, mode: 0o700 });
      // The root that containers see, whatever the umask.
      await chmod(diff, 0o755);
      const layer = await unpackLayer({
        source: origin.source,
        target: diff,
        whiteouts: 'overlay',
        split: join(directory, 'split'),
        ...limits,
      });
      if (origin.digest !== undefined && layer.digest !== origin.digest) {
        throw invalidArgument(`layer digest mismatch: expected ${origin.digest}, got ${layer.digest}`);
      }
      if (layer.reproducible) return { directory, layer };
      const tar = join(directory, 'layer.tar');
      if (!seekable) return { directory, layer: await this.#repack(layer, diff, tar) };
      await this.#keepTar(origin, tar);
      return { directory, layer };
    } catch (error) {
      await removeTree(directory);
      this.#busy.delete(directory);
      throw archiveError(error);
    }
  }

  /** A stream that held files twice cannot be read again: the layer is then what has become of it, packed anew. */
  async #repack(layer: UnpackedLayer, diff: string, path: string): Promise<UnpackedLayer> {
    const target = openSync(path, 'wx', 0o600);
    try {
      const packed = await packTree({ path: diff, whiteouts: 'overlay', target });
      return { ...layer, diffId: packed.digest, tarBytes: packed.size };
    } finally {
      close(target);
    }
  }

  async #keepTar(origin: LayerOrigin, path: string): Promise<void> {
    const spool = openSync(path, 'wx', 0o600);
    try {
      await scanArchive({ source: origin.source, spool });
    } finally {
      close(spool);
    }
  }

  async #keep(made: { directory: string; layer: UnpackedLayer }, parent: string): Promise<LayerRow> {
    const { directory, layer } = made;
    const row: LayerRow = {
      chainId: chainIdOf(parent, layer.diffId),
      diffId: layer.diffId,
      parent,
      size: layer.contentBytes,
      tarSize: layer.tarBytes,
      reproducible: layer.reproducible,
      keptTar: existsSync(join(directory, 'layer.tar')),
      createdNs: nowNs(),
      unsyncedBoot: this.#options.bootId,
    };
    const final = join(this.directory(row.chainId), '..');
    // Left by a daemon that died between the rename and the row.
    await removeTree(final);
    renameSync(directory, final);
    this.#options.database.transaction(() => this.table.insert(row));
    return row;
  }
}
