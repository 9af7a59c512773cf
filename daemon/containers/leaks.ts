// Owns the look at what containers have in the kernel and on the disk against their rows: groups, monitors, mounts, namespaces,
// directories, networks. The sweep at boot and the check on request are this one look.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { unmount } from '../../addon/index.ts';
import { confirmed, type Leak } from '../base/leak.ts';
import { parseMountInfo } from '../supervisor/storage/mountinfo.ts';
import type { Engine } from './engine.ts';
import { hasProcess } from './lifecycle.ts';
import { cgroupPath, containerDirectory, layerDirectory, runDirectory } from './paths.ts';
import { removeDirectory, removeRunDirectory } from './remove.ts';
import type { ContainerRecord } from './types.ts';

/** Brings one row in step with what is there; reconcile.ts has it. */
export type Settle = (row: ContainerRecord) => Promise<void>;

const MNT_DETACH = 2;

const entriesOf = (path: string): readonly string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const targetOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};

const isId = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);
const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Runs at work on the rows: what they have cannot be told from outside. */
const isBetween = ({ state }: ContainerRecord): boolean => state === 'starting';

const hasSize = ({ hostConfig }: ContainerRecord): boolean => (hostConfig.StorageOpt?.size ?? '') !== '';

interface Rows {
  readonly all: readonly ContainerRecord[];
  readonly known: ReadonlySet<string>;
  /** Those that may have a process, links and rules. */
  readonly alive: ReadonlySet<string>;
}

function readRows(engine: Engine): Rows {
  const all = engine.table.all();
  return {
    all,
    known: new Set(all.map(({ id }) => id)),
    alive: new Set(all.filter((row) => hasProcess(row.state) || isBetween(row)).map(({ id }) => id)),
  };
}

/** Everything that is amiss at this moment; what is being made or taken away is among it. */
export async function lookForLeaks(engine: Engine, settle: Settle): Promise<readonly Leak[]> {
  const networks = await engine.networks.leaks(readRows(engine).alive);
  const rows = readRows(engine);
  return [
    ...strayMonitors(engine, rows),
    ...strayGroups(engine, rows),
    ...networks,
    ...strayMounts(engine, rows),
    ...strayNamespaces(rows),
    ...strayDirectories(engine, rows),
    ...emptyRows(engine, rows, settle),
  ];
}

/** What stays amiss when the work that is under way has ended. */
export function findLeaks(engine: Engine, settle: Settle): Promise<readonly Leak[]> {
  return confirmed(
    () => lookForLeaks(engine, settle),
    async (suspects) => {
      const owners = new Set(suspects.map(({ owner }) => owner ?? ''));
      // Whose a rule is cannot be told.
      if (suspects.some(({ kind }) => kind === 'rule' || kind === 'row' || kind === 'namespace')) {
        for (const { id } of engine.table.all()) owners.add(id);
      }
      await Promise.all([...owners].map((id) => engine.lock.run(id, () => undefined)));
      await engine.background.underWay();
      await engine.networks.quiet();
    },
  );
}

/** Heals under the container's lock when the row still does not want it. */
function guarded(
  engine: Engine,
  id: string,
  unless: (row: ContainerRecord | undefined) => boolean,
  work: () => unknown,
) {
  return (): Promise<void> =>
    engine.lock.run(id, async () => {
      if (!unless(engine.table.byId(id))) await work();
    });
}

const exists = (row: ContainerRecord | undefined): boolean => row !== undefined;
const lives = (row: ContainerRecord | undefined): boolean =>
  row !== undefined && (hasProcess(row.state) || isBetween(row));

/**
 * Groups of containers that have no process. In a parent that is not this instance's alone only those whose id is known here are its own:
 * another engine's containers may stand next to them.
 */
function strayGroups(engine: Engine, { all, known, alive }: Rows): readonly Leak[] {
  const own = `/tsd-${engine.instance}`;
  const parentOf = (parent: string): string => cgroupPath(engine.instance, parent, '').replace(/\/$/, '');
  const parents = new Set([own, parentOf(engine.cgroupParent)]);
  for (const { hostConfig } of all) parents.add(parentOf(hostConfig.CgroupParent || engine.cgroupParent));
  const leaks: Leak[] = [];
  for (const parent of parents) {
    for (const id of engine.cgroups.list(parent)) {
      if (!isId(id) || alive.has(id)) continue;
      if (parent !== own && !known.has(id) && !isThere(runDirectory(engine, id))) continue;
      const path = `${parent}/${id}`;
      leaks.push({
        kind: 'cgroup',
        name: path,
        owner: id,
        problem: known.has(id) ? 'its container does not run' : 'no container has it',
        heal: guarded(engine, id, lives, async () => {
          if (!engine.cgroups.exists(path)) return;
          engine.cgroups.killAll(path);
          await engine.cgroups.remove(path);
        }),
      });
    }
  }
  return leaks;
}

/** A monitor that still has children; one without is about to leave. */
function strayMonitors(engine: Engine, { known, alive }: Rows): readonly Leak[] {
  const leaks: Leak[] = [];
  for (const name of entriesOf('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const id = monitoredBy(engine, name);
    if (id === undefined || alive.has(id) || textOf(`/proc/${name}/task/${name}/children`).trim() === '') continue;
    leaks.push({
      kind: 'process',
      name: `tsd-monitor ${name}`,
      owner: id,
      problem: known.has(id) ? 'its container does not run' : 'no container has it',
      heal: guarded(engine, id, lives, () => {
        if (monitoredBy(engine, name) === id) process.kill(Number(name), 'SIGKILL');
      }),
    });
  }
  return leaks;
}

/** The container whose monitor the process is, when it is one of this instance: its run directory is open in it. */
function monitoredBy(engine: Engine, pid: string): string | undefined {
  if (textOf(`/proc/${pid}/comm`).trim() !== 'tsd-monitor') return undefined;
  const [, id = ''] = textOf(`/proc/${pid}/cmdline`).split('\0');
  if (!isId(id)) return undefined;
  const run = runDirectory(engine, id);
  const descriptors = entriesOf(`/proc/${pid}/fd`).map((number) => targetOf(`/proc/${pid}/fd/${number}`));
  return descriptors.some((target) => target === run || target === `${run} (deleted)`) ? id : undefined;
}

/**
 * The engine mounts nothing in the host's namespace but volumes with options, at the mount points that their rows give, and the writable
 * layers that have a size.
 */
function strayMounts(engine: Engine, { all, known }: Rows): readonly Leak[] {
  const own = new Set([
    ...engine.volumes.list().map(({ mountpoint }) => mountpoint),
    ...all.filter(hasSize).map(({ id }) => layerDirectory(engine, id)),
  ]);
  // Directly below a root stands what an administrator put there.
  const isInside = (path: string): boolean =>
    [engine.dataRoot, engine.execRoot].some(
      (root) => path.startsWith(`${root}/`) && path.slice(root.length + 1).includes('/'),
    );
  return parseMountInfo(textOf('/proc/self/mountinfo'))
    .filter(({ mountPoint }) => isInside(mountPoint) && !own.has(mountPoint))
    .map(({ mountPoint, type }) => {
      const owner = /\/([0-9a-f]{64})(?:\/|$)/.exec(mountPoint)?.[1];
      return {
        kind: 'mount' as const,
        name: mountPoint,
        ...(owner !== undefined ? { owner } : {}),
        problem: `a file system (${type}) that ${owner !== undefined && known.has(owner) ? 'its container' : 'the engine'} did not mount`,
        heal: async () => unmount(mountPoint, MNT_DETACH),
      };
    });
}

/**
 * Network namespaces that this process keeps open and no process of a container is in. Only a start holds such a one, for its length.
 * Closing a number that somebody may use is no cure.
 */
function strayNamespaces({ all }: Rows): readonly Leak[] {
  const used = new Set([targetOf('/proc/self/ns/net'), ...all.map(({ pid }) => targetOf(`/proc/${pid}/ns/net`))]);
  return entriesOf('/proc/self/fd')
    .map((number) => ({ number, target: targetOf(`/proc/self/fd/${number}`) }))
    .filter(({ target }) => target.startsWith('net:') && !used.has(target))
    .map(({ number, target }) => ({
      kind: 'namespace' as const,
      name: `${target} by descriptor ${number}`,
      problem: 'no container is in the network namespace; it ends with the daemon: restart it, containers run on',
    }));
}

function strayDirectories(engine: Engine, { known }: Rows): readonly Leak[] {
  const kinds: readonly (readonly [parent: string, remove: (id: string) => Promise<void>])[] = [
    [join(engine.execRoot, 'containers'), (id) => removeRunDirectory(engine, id)],
    [join(engine.dataRoot, 'rw'), (id) => removeDirectory(layerDirectory(engine, id))],
    [join(engine.dataRoot, 'containers'), (id) => removeDirectory(containerDirectory(engine, id))],
  ];
  return kinds.flatMap(([parent, remove]) =>
    entriesOf(parent)
      .filter((id) => isId(id) && !known.has(id))
      .map((id) => ({
        kind: 'directory' as const,
        name: join(parent, id),
        owner: id,
        problem: 'no container has it',
        heal: guarded(engine, id, exists, () => remove(id)),
      })),
  );
}

/** Rows without what they should have. */
function emptyRows(engine: Engine, { all }: Rows, settle: Settle): readonly Leak[] {
  const leaks: Leak[] = [];
  for (const row of all) {
    if (row.state === 'removing') continue;
    const about = { kind: 'row' as const, owner: row.id };
    const layer = layerDirectory(engine, row.id);
    // A layer that has a size is mounted when it is used first.
    for (const path of [hasSize(row) ? layer : join(layer, 'diff'), containerDirectory(engine, row.id)]) {
      if (isThere(path)) continue;
      const problem = 'the directory of the container is missing: remove the container, or bring its files back';
      leaks.push({ ...about, name: `container ${row.name}: ${path}`, problem });
    }
    if (!hasProcess(row.state) || engine.live.has(row.id)) continue;
    leaks.push({
      ...about,
      name: `container ${row.name}: process`,
      problem: `its state is ${row.state}, but the daemon has no process of it`,
      heal: () =>
        engine.lock.run(row.id, async () => {
          const now = engine.table.byId(row.id);
          if (now !== undefined && hasProcess(now.state) && !engine.live.has(row.id)) await settle(now);
        }),
    });
  }
  return leaks;
}
