// Owns volumes of the local driver: their rows, their directories below data-root/volumes, copy-up. Mounts nothing.
// Order on the disk: a directory is there before its row and leaves before it, so a row always has its directory; what a dying daemon
// leaves is settled by sweep().
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { chmod, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { close, copyTree, measureTree, openPath, removeTree, SystemError } from '../../addon/index.ts';
import { conflict, EngineError, invalidArgument, messageOf, notFound, notImplemented } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import { confirmed, type Leak } from '../base/leak.ts';
import type { Log } from '../base/log.ts';
import { nowNs } from '../base/time.ts';
import type { Database } from '../store/database.ts';
import type { EventTable } from '../store/events.ts';
import { type VolumeRow, VolumeTable } from '../store/volumes.ts';
import { checkVolumeName, pruneSelects } from './rules.ts';
import type { Volume, Volumes, VolumeUsage } from './types.ts';

export interface VolumeServiceOptions {
  readonly database: Database;
  readonly events: EventTable;
  /** Absolute; volumes/ and tmp/ are made below it. */
  readonly dataRoot: string;
  readonly usage: VolumeUsage;
  readonly log: Log;
}

const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
const O_DIRECTORY = 0o200000;

export class VolumeService implements Volumes {
  readonly #options: VolumeServiceOptions;
  readonly #table: VolumeTable;
  readonly #lock = new KeyedLock();
  /** Names in tmp/ that work under way has. */
  readonly #busy = new Set<string>();

  constructor(options: VolumeServiceOptions) {
    this.#options = options;
    this.#table = new VolumeTable(options.database);
    for (const name of ['volumes', 'tmp']) {
      mkdirSync(join(options.dataRoot, name), { recursive: true, mode: 0o700 });
    }
  }

  list(): readonly Volume[] {
    return this.#table.all().map((row) => this.#view(row));
  }

  get(name: string): Volume {
    const row = this.#table.get(name);
    if (row === undefined) throw notFound(`get ${name}: no such volume`);
    return this.#view(row);
  }

  async create(request: {
    readonly name: string;
    readonly driver: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly options: Readonly<Record<string, string>>;
  }): Promise<Volume> {
    const { driver, options } = request;
    const anonymous = request.name === '';
    const name = anonymous ? newId() : request.name;
    if (driver !== '' && driver !== 'local') {
      throw notFound(`error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`);
    }
    checkVolumeName(name);
    return this.#lock.run(name, async () => {
      const existing = this.#table.get(name);
      if (existing !== undefined) return this.#view(existing);
      const [option] = Object.keys(options);
      if (option !== undefined) throw this.#optionError(name, option);
      await this.#makeDirectory(name);
      const labels = anonymous ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : request.labels;
      const row: VolumeRow = { name, driver: 'local', createdNs: nowNs(), labels, options, anonymous };
      this.#options.database.transaction(() => {
        this.#table.insert(row);
        this.#event('create', name);
      });
      return this.#view(row);
    });
  }

  async remove(name: string, force: boolean): Promise<void> {
    await this.#lock.run(name, async () => {
      if (this.#table.get(name) === undefined) {
        if (force) return;
        throw notFound(`get ${name}: no such volume`);
      }
      const users = this.#options.usage.containersOf(name);
      if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
      const grave = join(this.#options.dataRoot, 'tmp', `volume-${newId().slice(0, 16)}`);
      this.#busy.add(grave);
      try {
        await rename(this.#directory(name), grave).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
        this.#options.database.transaction(() => {
          this.#table.delete(name);
          this.#event('destroy', name);
        });
        await this.#bury(grave);
      } finally {
        this.#busy.delete(grave);
      }
    });
  }

  async prune(
    filters: Readonly<Record<string, readonly string[]>>,
  ): Promise<{ readonly deleted: readonly string[]; readonly reclaimed: number }> {
    const selects = pruneSelects(filters);
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const row of this.#table.all()) {
      if (!selects(row) || this.#options.usage.containersOf(row.name).length > 0) continue;
      const size = await this.#sizeOf(row.name);
      try {
        await this.remove(row.name, false);
      } catch (error) {
        // Taken into use, or removed, meanwhile.
        if (error instanceof EngineError && (error.kind === 'conflict' || error.kind === 'not-found')) continue;
        throw error;
      }
      deleted.push(row.name);
      reclaimed += size;
    }
    this.#options.events.append({
      type: 'volume',
      action: 'prune',
      actorId: '',
      attributes: { reclaimed: String(reclaimed) },
    });
    return { deleted, reclaimed };
  }

  async populate(name: string, rootDescriptor: number, path: string): Promise<void> {
    const { mountpoint } = this.get(name);
    await this.#lock.run(name, async () => {
      if ((await readdir(mountpoint)).length > 0) return;
      const target = openPath(mountpoint, O_DIRECTORY);
      try {
        await copyTree(rootDescriptor, path, target);
      } catch (error) {
        // Half a copy would be taken for the volume's own content at the next start.
        for (const entry of await readdir(mountpoint, { encoding: 'buffer' })) {
          await removeTree(join(mountpoint, entry.toString())).catch((failure: unknown) =>
            this.#options.log.warn({ err: failure, volume: name }, 'a half-made copy stays in the volume'),
          );
        }
        throw new EngineError('internal', `failed to copy data into volume ${name}: ${messageOf(error)}`, error);
      } finally {
        close(target);
      }
    });
  }

  /** Bytes of the volume's files, for `system df`. */
  async sizeOf(name: string): Promise<number> {
    return this.#sizeOf(this.get(name).name);
  }

  async sweep(): Promise<void> {
    const { log } = this.#options;
    for (const { name, problem, heal } of this.#look()) {
      if (heal === undefined) log.warn({ path: name }, `${problem}: it is left alone`);
      else await heal();
    }
  }

  /** Directories that no volume has, and volumes without their directory. */
  leaks(): Promise<readonly Leak[]> {
    return confirmed(
      async () => this.#look(),
      async (suspects) => {
        const names = suspects.flatMap(({ owner }) => owner ?? []);
        await Promise.all(names.map((name) => this.#lock.run(name, () => undefined)));
      },
    );
  }

  #look(): readonly Leak[] {
    const { dataRoot } = this.#options;
    const leaks: Leak[] = [];
    for (const entry of readdirSync(join(dataRoot, 'tmp'))) {
      const path = join(dataRoot, 'tmp', entry);
      if (!entry.startsWith('volume-') || this.#busy.has(path)) continue;
      leaks.push({ kind: 'directory', name: path, problem: 'left of a volume', heal: () => this.#bury(path) });
    }
    const present = new Set(readdirSync(join(dataRoot, 'volumes')));
    for (const { name } of this.#table.all()) {
      if (present.delete(name)) continue;
      leaks.push({
        kind: 'row',
        name: `volume ${name}`,
        owner: name,
        // Its removal had begun: the directory has gone, the row follows.
        problem: 'the directory of the volume is missing',
        heal: () =>
          this.#lock.run(name, () => {
            if (!existsSync(this.#directory(name))) this.#table.delete(name);
          }),
      });
    }
    for (const name of present) leaks.push(this.#stray(name));
    return leaks;
  }

  /** What somebody may want to have back is never removed by itself. */
  #stray(name: string): Leak {
    const path = this.#directory(name);
    const isEmpty = (): boolean => {
      try {
        return readdirSync(join(path, '_data')).length === 0;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ENOENT';
      }
    };
    const about = { kind: 'directory' as const, name: path, owner: name };
    if (!isEmpty()) return { ...about, problem: 'a directory without a volume holds data: save or remove it' };
    return {
      ...about,
      problem: 'no volume has it',
      heal: () =>
        this.#lock.run(name, async () => {
          if (this.#table.get(name) === undefined && isEmpty()) await removeTree(path);
        }),
    };
  }

  #view(row: VolumeRow): Volume {
    return { ...row, driver: 'local', mountpoint: join(this.#directory(row.name), '_data') };
  }

  #directory(name: string): string {
    return join(this.#options.dataRoot, 'volumes', name);
  }

  async #makeDirectory(name: string): Promise<void> {
    const data = join(this.#directory(name), '_data');
    await mkdir(data, { recursive: true, mode: 0o700 });
    await chmod(data, 0o755);
  }

  async #bury(path: string): Promise<void> {
    await removeTree(path).catch((error: unknown) =>
      this.#options.log.warn({ err: error, path }, 'a removed volume stays on the disk until the next start'),
    );
  }

  async #sizeOf(name: string): Promise<number> {
    try {
      return (await measureTree(join(this.#directory(name), '_data'))).bytes;
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENOENT') return 0;
      throw error;
    }
  }

  #optionError(name: string, option: string): EngineError {
    if (!['type', 'o', 'device', 'size'].includes(option)) {
      return invalidArgument(`create ${name}: invalid option: ${JSON.stringify(option)}`);
    }
    return notImplemented(
      `create ${name}: option ${JSON.stringify(option)} of the local driver is not supported yet; use a bind mount (-v /host/path:/path)`,
    );
  }

  #event(action: string, name: string): void {
    this.#options.events.append({ type: 'volume', action, actorId: name, attributes: { driver: 'local' } });
  }
}
